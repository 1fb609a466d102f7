import { describeExplanation, type ExplainQuestion, explainRouting } from '../../../src/cli/explain.command.js';
import { InputError } from '../../../src/cli/input.js';
import type { ApiKeyRecord } from '../../../src/database/api-key.repository.js';
import type { Principal } from '../../../src/domain/principal.js';
import { makePrincipal } from '../../support/principals.js';
import { makeProvider, makeRoute, makeSnapshot, makeTarget } from '../../support/routing-fixtures.js';

const NOW_MS = Date.parse('2026-03-01T12:00:00Z');
const cloud = makeTarget(makeProvider({ name: 'cloud' }), { classificationCeiling: 'INTERNAL' });
const house = makeTarget(makeProvider({ name: 'house' }), { classificationCeiling: 'RESTRICTED' });
const keyless = makeTarget(makeProvider({ name: 'keyless', configured: false }));
const snapshot = makeSnapshot([
  makeRoute([cloud], [keyless, house], { alias: 'anywhere' }),
  makeRoute([cloud], [], { alias: 'cloud-only' }),
  makeRoute([cloud, house], [], { alias: 'in-turn', strategy: 'weighted' }),
]);

const ask = (model: string, question: Partial<ExplainQuestion> = {}) =>
  explainRouting(snapshot, { model, level: null, key: null, nowMs: NOW_MS, ...question });

function keyOf(changes: Partial<Principal> = {}, status: ApiKeyRecord['status'] = 'active'): ApiKeyRecord {
  return {
    principal: makePrincipal({ keyPrefix: 'aegis-test-abc123', ...changes }),
    status,
    keyHash: 'hash',
    createdAt: new Date(NOW_MS),
    lastUsedAt: null,
    revokedAt: null,
    revokedReason: null,
  };
}

describe('aegis explain', () => {
  it('starts at INTERNAL where no level and no key is given', () => {
    expect(ask('anywhere')).toMatchObject({
      level: 'INTERNAL',
      key: null,
      raised_by: null,
      eligible: ['cloud/model-1', 'house/model-1'],
      outcome: 'would_call',
    });
  });

  it('may be asked about lower levels than any key starts at', () => {
    expect(ask('anywhere', { level: 'PUBLIC' }).level).toBe('PUBLIC');
  });

  it('gives the reason of each target that is left out', () => {
    const { eligible, targets } = ask('anywhere', { level: 'CONFIDENTIAL' });
    expect(eligible).toEqual(['house/model-1']);
    expect(targets.map(({ role, reason }) => [role, reason])).toEqual([
      ['primary', 'ceiling'],
      ['fallback', 'unconfigured'],
      ['fallback', null],
    ]);
  });

  it('names the error where nobody would be called', () => {
    expect(ask('cloud-only', { level: 'RESTRICTED' })).toMatchObject({
      eligible: [],
      outcome: 'classification_denied',
      error: { status: 403 },
    });
  });

  it('starts where the key starts, and is never lowered', () => {
    const key = keyOf({ defaultClassification: 'CONFIDENTIAL' });
    expect(ask('anywhere', { key, level: 'PUBLIC' })).toMatchObject({
      level: 'CONFIDENTIAL',
      raised_by: null,
      key: { prefix: 'aegis-test-abc123', default_classification: 'CONFIDENTIAL', max_classification: 'RESTRICTED' },
    });
    expect(ask('anywhere', { key, level: 'RESTRICTED' })).toMatchObject({
      level: 'RESTRICTED',
      raised_by: { header: true },
    });
  });

  it.each([
    ['above what the key may send', keyOf({ maxClassification: 'INTERNAL' }), 'classification_denied', 403],
    ['for a model the key may not use', keyOf({ allowedModels: [] }), 'model_not_allowed', 403],
    ['with a key that is revoked', keyOf({}, 'revoked'), 'invalid_api_key', 401],
    ['with a key that is past its end', keyOf({ expiresAtMs: NOW_MS }), 'invalid_api_key', 401],
  ])('knows no targets %s', (_name, key, outcome, status) => {
    expect(ask('anywhere', { key, level: 'CONFIDENTIAL' })).toMatchObject({
      eligible: [],
      targets: [],
      outcome,
      error: { status },
    });
  });

  it('names the models there are where it is asked for another', () => {
    expect(() => ask('anywere')).toThrow(InputError);
    expect(() => ask('anywere')).toThrow(/anywhere, cloud-only, in-turn/);
  });

  it('is a table for people, with the outcome and what is not known', () => {
    expect(describeExplanation(ask('anywhere', { level: 'CONFIDENTIAL', key: keyOf() }))).toBe(
      [
        'Model   anywhere (strategy priority)',
        'Level   CONFIDENTIAL, raised by --classification',
        'Key     aegis-test-abc123, starts at INTERNAL, may send RESTRICTED',
        '',
        'TARGET           ROLE      CEILING     VERDICT       REASON',
        'cloud/model-1    primary   INTERNAL    left out      ceiling',
        'keyless/model-1  fallback  RESTRICTED  left out      unconfigured',
        'house/model-1    fallback  RESTRICTED  eligible, 1.',
        '',
        'Outcome would call house/model-1',
        'Note    Circuits, cooldowns and places of running gateways are not known here.',
        '',
      ].join('\n'),
    );
    expect(describeExplanation(ask('cloud-only', { level: 'RESTRICTED' }))).toContain(
      'Outcome classification_denied (403): No target of model "cloud-only"',
    );
  });

  it('does not pretend to know whose turn it is', () => {
    expect(describeExplanation(ask('in-turn'))).toContain('changes with each request (strategy weighted)');
  });
});
