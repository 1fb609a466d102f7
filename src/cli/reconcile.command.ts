import { CounterReader } from '../accounting/limits/counter-reader.js';
import { SpendingRepository } from '../accounting/limits/spending.repository.js';
import { type CounterComparison, CounterReconciler } from '../accounting/reconciliation/counter-reconciliation.js';
import { Reconciler, type Reconciliation } from '../accounting/reconciliation/reconciliation.js';
import { type Amounts, ReconciliationStore } from '../accounting/reconciliation/reconciliation.store.js';
import { getJournalFolder } from '../journal/journal-folder.js';
import { RedisUnavailableError } from '../redis/redis.service.js';
import { type LedgerStores, withLedger } from './cli.context.js';
import { formatUsd, InputReader } from './input.js';
import { formatTable } from './table.js';

const DIFFERS_EXIT_CODE = 2;

type Counters =
  | { readonly kind: 'compared'; readonly agree: boolean; readonly budgets: readonly CounterComparison[] }
  /** Without Redis each process counts for itself, and forgets with its end. */
  | { readonly kind: 'in_processes' }
  | { readonly kind: 'unavailable'; readonly reason: string };

/** `aegis reconcile`. Exit code 2 where journal, ledger and counters do not agree. */
export async function reconcile(options: Readonly<Record<string, unknown>>): Promise<void> {
  const input = new InputReader(options);
  const period = { fromMs: input.anyMoment('from'), toMs: input.anyMoment('to') };
  input.assertValid();
  const { records, counters } = await withLedger(async (stores) => {
    const { database, snapshot } = stores;
    const store = new ReconciliationStore(database);
    const records = await new Reconciler(getJournalFolder(snapshot.gateway), store, period).run();
    return { records, counters: await compareCounters(stores, store) };
  });
  const agrees = records.agrees && counters.kind !== 'unavailable' && (counters.kind !== 'compared' || counters.agree);
  process.stdout.write(
    options.json === true
      ? `${toJson({ ...records, agrees, counters })}\n`
      : describe(records) + describeCounters(counters),
  );
  if (!agrees) process.exitCode = DIFFERS_EXIT_CODE;
}

async function compareCounters(
  { database, redis, snapshot }: LedgerStores,
  store: ReconciliationStore,
): Promise<Counters> {
  if (!redis.isEnabled) return { kind: 'in_processes' };
  const spending = new SpendingRepository(database);
  const directory = getJournalFolder(snapshot.gateway);
  try {
    const budgets = await new CounterReconciler(directory, new CounterReader(redis), spending, store).run();
    return { kind: 'compared', agree: budgets.every(({ agrees }) => agrees), budgets };
  } catch (error) {
    if (!(error instanceof RedisUnavailableError)) throw error;
    return { kind: 'unavailable', reason: error.message };
  }
}

/** Amounts of 64 bits as decimal digits. */
function toJson(result: object): string {
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

function describeCounters(counters: Counters): string {
  switch (counters.kind) {
    case 'in_processes':
      return 'Without Redis budgets are counted within each gateway, and cannot be compared from here.\n';
    case 'unavailable':
      return `Cannot be proven: the counters of budgets. ${counters.reason}\n`;
    case 'compared':
      return describeBudgets(counters.budgets);
    default:
      return counters satisfies never;
  }
}

function describeBudgets(budgets: readonly CounterComparison[]): string {
  if (budgets.length === 0) return 'No budget has been drawn on in the window that lasts.\n';
  const table = formatTable([
    ['BUDGET', 'OF', 'SINCE', 'COUNTED USD', 'RECORDED USD', 'DIFFERENCE', 'TOLERATED', 'AGREES'],
    ...budgets.map((budget) => [
      budget.scope,
      budget.scope === 'team' ? `${budget.organization}/${budget.subject}` : budget.subject,
      new Date(budget.startMs).toISOString().slice(0, 10),
      formatUsd(budget.spentNanoUsd),
      formatUsd(budget.recordedNanoUsd),
      formatDifference(budget.differenceNanoUsd),
      formatUsd(budget.toleranceNanoUsd),
      budget.agrees ? 'yes' : 'no',
    ]),
  ]);
  const differing = budgets.filter(({ agrees }) => !agrees).length;
  return `${table}${differing === 0 ? 'Ledger and counters agree.' : `${differing} counters do not agree with the ledger.`}\n`;
}

function formatDifference(nanoUsd: bigint): string {
  return nanoUsd < 0n ? `-${formatUsd(-nanoUsd)}` : formatUsd(nanoUsd);
}

function name(what: string, ids: readonly string[], count: number): string[] {
  if (count === 0) return [];
  const more = count > ids.length ? `, and ${count - ids.length} more` : '';
  return [`${count} ${what}: ${ids.join(', ')}${more}`];
}
