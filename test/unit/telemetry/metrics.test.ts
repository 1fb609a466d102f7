import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERROR_CAUSES } from '../../../src/domain/error-cause.js';
import { ATTEMPT_OUTCOMES, LIMIT_NAMES } from '../../../src/domain/observer.js';
import { METRICS } from '../../../src/telemetry/metrics.js';

const PATH = join(process.cwd(), 'docs', 'metrics.md');
const BEGIN =
  '<!-- The table is generated: AEGIS_WRITE_DOCS=1 npx jest --selectProjects unit test/unit/telemetry/metrics -->\n';
const END = '\n<!-- End of the table. -->';

const listed = (words: readonly string[]): string => words.map((word) => `\`${word}\``).join(', ');

/** The table as it has to be. */
function buildTable(): string {
  const rows = Object.values(METRICS).map(
    ({ name, kind, labelNames, help }) => `| \`${name}\` | ${kind} | ${listed(labelNames) || '–'} | ${help} |`,
  );
  return ['| Metric | Kind | Labels | Meaning |', '|---|---|---|---|', ...rows].join('\n');
}

describe('docs/metrics.md', () => {
  it('has the table of all metrics, and nothing else in it', () => {
    const text = readFileSync(PATH, 'utf8');
    const [before = '', rest = ''] = text.split(BEGIN);
    const [table = '', after = ''] = rest.split(END);
    if (process.env.AEGIS_WRITE_DOCS === '1') writeFileSync(PATH, `${before}${BEGIN}${buildTable()}${END}${after}`);
    else expect(table).toBe(buildTable());
  });

  it.each([
    ['every way an attempt can end', ATTEMPT_OUTCOMES],
    ['every cause of an error', ERROR_CAUSES],
    ['every limit', LIMIT_NAMES.filter((name) => name !== 'store')],
  ])('names %s', (_what, words) => {
    expect(readFileSync(PATH, 'utf8')).toContain(listed(words));
  });
});

describe('the metrics', () => {
  it('are named as Prometheus asks: counters in totals, times in seconds, all of them ours', () => {
    for (const { name, kind } of Object.values(METRICS)) {
      expect(name).toMatch(/^aegis_[a-z]+(_[a-z]+)*$/);
      expect(name.endsWith('_total')).toBe(kind === 'counter');
      if (kind === 'histogram') expect(name).toMatch(/_seconds$/);
    }
  });
});
