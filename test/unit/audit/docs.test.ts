import { readFileSync } from 'node:fs';
import path from 'node:path';
import { AUDIT_FAULTS } from '../../../src/audit/verify/verification.js';
import { AUDIT_DECISIONS, AUDIT_EVENT_TYPES } from '../../../src/domain/audit.js';

const text = readFileSync(path.join(__dirname, '..', '..', '..', 'docs', 'audit.md'), 'utf8');
const firstCells = text
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|')[1] ?? '');

describe('docs/audit.md', () => {
  it.each([...AUDIT_EVENT_TYPES, ...AUDIT_DECISIONS, ...AUDIT_FAULTS])('has a row for %s', (word) => {
    expect(firstCells.filter((cell) => cell.includes(`\`${word}\``))).toHaveLength(1);
  });

  it.each(['damaged', 'refused', 'not_written', 'died', 'shutdown'])('says what %s means', (word) => {
    expect(text).toContain(`\`${word}\``);
  });
});
