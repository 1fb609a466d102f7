import type { Classification } from '../../../src/domain/classification.js';
import { findRaise } from '../../../src/domain/explanation.js';
import type { Finding } from '../../../src/domain/finding.js';
import { makePrincipal } from '../../support/principals.js';

const finding = (rule: string, action: Finding['action']): Finding => ({ filter: 'secrets', rule, path: 'p', action });

function raiseOf(level: Classification, requestedLevel: Classification | null, findings: readonly Finding[] = []) {
  return findRaise({ principal: makePrincipal(), requestedLevel, findings, level });
}

describe('what raised the level of a request', () => {
  it('is nothing where it is where the key starts, whatever was asked for or found', () => {
    expect(raiseOf('INTERNAL', null)).toBeNull();
    expect(raiseOf('INTERNAL', 'PUBLIC', [finding('a', { raiseTo: 'INTERNAL' })])).toBeNull();
  });

  it('is the header', () => {
    expect(raiseOf('RESTRICTED', 'RESTRICTED', [finding('a', 'flag')])).toEqual({ header: true, rules: [] });
  });

  it('is the rules that raised it this far, each named once', () => {
    const found = [
      finding('lower', { raiseTo: 'CONFIDENTIAL' }),
      finding('names', { raiseTo: 'RESTRICTED' }),
      finding('names', { raiseTo: 'RESTRICTED' }),
      finding('numbers', { raiseTo: 'RESTRICTED' }),
    ];
    expect(raiseOf('RESTRICTED', 'CONFIDENTIAL', found)).toEqual({ header: false, rules: ['names', 'numbers'] });
  });

  it('is both where both asked for it', () => {
    const found = [finding('names', { raiseTo: 'CONFIDENTIAL' })];
    expect(raiseOf('CONFIDENTIAL', 'CONFIDENTIAL', found)).toEqual({ header: true, rules: ['names'] });
  });
});
