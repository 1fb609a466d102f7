import type { Outcome } from './conformance-check.js';

const MAX_REASONS = 8;

/** The first reasons, and how many more there are. */
export function shortened(problems: readonly string[]): readonly string[] {
  const { length } = problems;
  return length > MAX_REASONS ? [...problems.slice(0, MAX_REASONS), `and ${length - MAX_REASONS} more`] : problems;
}

/** The row of the table a recording belongs to. */
export interface ReportPlace {
  readonly provider: string;
  readonly api: string;
  /** `json`, `sse` or `error`. */
  readonly kind: string;
}

/** Which provider's which API failed how often, in one table; below it each failure's reason, and each rule used. */
export class ConformanceReport {
  private readonly rows = new Map<string, { passed: number; total: number }>();
  private readonly failures: string[] = [];
  private readonly rules = new Map<string, { times: number; recordings: number }>();

  add(id: string, { provider, api, kind }: ReportPlace, { problems, rules }: Outcome): void {
    const family = provider.startsWith('openai-compatible') ? 'openai-compatible' : provider;
    const row = `${family.padEnd(20)}${api.padEnd(20)}${kind.padEnd(8)}`;
    const counts = this.rows.get(row) ?? { passed: 0, total: 0 };
    this.rows.set(row, counts);
    counts.total++;
    if (problems.length === 0) counts.passed++;
    else this.failures.push(`  ${id}: ${shortened(problems).join('\n    ')}`);
    for (const [rule, times] of rules) {
      const known = this.rules.get(rule) ?? { times: 0, recordings: 0 };
      this.rules.set(rule, { times: known.times + times, recordings: known.recordings + 1 });
    }
  }

  toString(): string {
    const rows = [...this.rows].sort(([first], [second]) => (first < second ? -1 : 1));
    const sum = (key: 'passed' | 'total'): number => rows.reduce((total, [, counts]) => total + counts[key], 0);
    const lines = [
      '',
      `${'provider'.padEnd(20)}${'api'.padEnd(20)}${'kind'.padEnd(8)}passed/total`,
      ...rows.map(([row, { passed, total }]) => `${row}${passed}/${total}`),
      `${'all'.padEnd(48)}${sum('passed')}/${sum('total')}`,
    ];
    if (this.failures.length > 0) lines.push('', 'Failed:', ...this.failures);
    if (this.rules.size > 0) {
      lines.push('', 'Where something other than the oracle as it stands, or an error for a cut, was expected:');
      for (const [rule, { times, recordings }] of [...this.rules].sort()) {
        lines.push(`  ${rule}: ${recordings} recordings${times > recordings ? `, ${times} times` : ''}`);
      }
    }
    return `${lines.join('\n')}\n`;
  }
}
