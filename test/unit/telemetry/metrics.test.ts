import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ATTEMPT_OUTCOMES } from '../../../src/domain/observer.js';
import { METRICS } from '../../../src/telemetry/metrics.js';

const documentation = readFileSync(join(process.cwd(), 'docs', 'metrics.md'), 'utf8');

describe('docs/metrics.md', () => {
  it.each(Object.values(METRICS))('has $name with its kind, labels and meaning', ({ name, kind, labelNames, help }) => {
    const labels = labelNames.map((label) => `\`${label}\``).join(', ') || '–';
    expect(documentation).toContain(`| \`${name}\` | ${kind} | ${labels} | ${help} |`);
  });

  it('names every way an attempt can end', () => {
    expect(documentation).toContain(ATTEMPT_OUTCOMES.map((outcome) => `\`${outcome}\``).join(', '));
  });
});
