import { getJournalFolder } from '../accounting/journal/journal-folder.js';
import { Reconciler, type Reconciliation } from '../accounting/reconciliation/reconciliation.js';
import { type Amounts, ReconciliationStore } from '../accounting/reconciliation/reconciliation.store.js';
import { withLedger } from './cli.context.js';
import { formatUsd, InputReader } from './input.js';
import { formatTable } from './table.js';

const DIFFERS_EXIT_CODE = 2;

/** `aegis reconcile`. Exit code 2 where journal and ledger do not agree. */
export async function reconcile(options: Readonly<Record<string, unknown>>): Promise<void> {
  const input = new InputReader(options);
  const period = { fromMs: input.anyMoment('from'), toMs: input.anyMoment('to') };
  input.assertValid();
  const result = await withLedger((database, { gateway }) =>
    new Reconciler(getJournalFolder(gateway), new ReconciliationStore(database), period).run(),
  );
  process.stdout.write(options.json === true ? `${toJson(result)}\n` : describe(result));
  if (!result.agrees) process.exitCode = DIFFERS_EXIT_CODE;
}

/** Amounts of 64 bits as decimal digits. */
function toJson(result: Reconciliation): string {
  return JSON.stringify(result, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
}

function describe(result: Reconciliation): string {
  const row = (name: string, { count, promptTokens, completionTokens, costNanoUsd }: Amounts): string[] => [
    name,
    String(count),
    String(promptTokens),
    String(completionTokens),
    formatUsd(costNanoUsd),
  ];
  const table = formatTable([
    ['', 'COUNT', 'PROMPT TOKENS', 'COMPLETION TOKENS', 'USD'],
    row('in the journal', result.journal),
    row('of that in the ledger', result.ledger),
    row('requests in the ledger', result.requests),
    row('their attempts', result.attempts),
  ]);
  const lines = [
    ...(result.openCount > 0 ? [`${result.openCount} requests have begun and not ended.`] : []),
    ...result.problems.map((problem) => `Cannot be proven: ${problem}.`),
    ...name('missing in the ledger', result.missing, result.missingCount),
    ...name('different in the ledger', result.differing, result.differingCount),
    result.agrees ? 'Journal and ledger agree.' : 'Journal and ledger do not agree.',
  ];
  return `${table}${lines.join('\n')}\n`;
}

function name(what: string, ids: readonly string[], count: number): string[] {
  if (count === 0) return [];
  const more = count > ids.length ? `, and ${count - ids.length} more` : '';
  return [`${count} ${what}: ${ids.join(', ')}${more}`];
}
