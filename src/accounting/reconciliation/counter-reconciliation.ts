import { setTimeout as sleep } from 'node:timers/promises';
import type { UsageRecord } from '../../domain/accounting.js';
import type { BudgetCounterReading, CounterReader } from '../limits/counter-reader.js';
import { budgetName } from '../limits/limit-store.js';
import type { SpendingRepository } from '../limits/spending.repository.js';
import { listAllSegments, visitEntries } from './journal-files.js';
import type { ReconciliationStore } from './reconciliation.store.js';

/** Gateways that run bring records and settle reservations meanwhile. */
const PATIENCE_MS = 5_000;
const LOOK_AGAIN_MS = 500;
const BATCH = 500;

/** One budget's counter in the window that lasts, beside what was recorded. Money in nano-USD. */
export interface CounterComparison extends BudgetCounterReading {
  readonly agrees: boolean;
  /** In the ledger, and in the journal on this machine where that has not got there. */
  readonly recordedNanoUsd: bigint;
  /** Counted less recorded. */
  readonly differenceNanoUsd: bigint;
  /** So much may be missing in the counter: as much as the dearest of the requests may have cost that nobody settled. */
  readonly toleranceNanoUsd: bigint;
}

interface Recorded {
  readonly ledger: bigint;
  readonly journal: bigint;
}

/** Holds the counters of budgets against what was recorded. Changes nothing. */
export class CounterReconciler {
  constructor(
    private readonly directory: string,
    private readonly counters: CounterReader,
    private readonly spending: SpendingRepository,
    private readonly store: ReconciliationStore,
  ) {}

  /** Looks again for some seconds where they do not agree. Throws where Redis or PostgreSQL cannot be asked. */
  async run(nowMs: () => number = Date.now): Promise<CounterComparison[]> {
    for (const end = performance.now() + PATIENCE_MS; ; await sleep(LOOK_AGAIN_MS)) {
      const comparisons = await this.compare(nowMs());
      if (comparisons.every(({ agrees }) => agrees) || performance.now() >= end) return comparisons;
    }
  }

  /**
   * While gateways run no two readings are of one moment. A record is written before its cost is counted: so the counter
   * lies between what was recorded before it was read, less what was still to be settled then, and what was after.
   */
  private async compare(nowMs: number): Promise<CounterComparison[]> {
    const first = await this.counters.list(nowMs);
    const ledgerBefore = await this.askLedger(first);
    const journalBefore = await this.readJournal(first);
    const readings = await this.counters.list(nowMs);
    const journalAfter = await this.readJournal(readings);
    const ledgerAfter = await this.askLedger(readings);
    const comparisons: CounterComparison[] = [];
    for (const reading of readings) {
      const name = nameOf(reading);
      const [before, after] = [
        { ledger: ledgerBefore.get(name) ?? 0n, journal: journalBefore.get(name) ?? 0n },
        { ledger: ledgerAfter.get(name) ?? 0n, journal: journalAfter.get(name) ?? 0n },
      ];
      comparisons.push(describe(reading, before, after, await this.findTolerance(reading, after.journal)));
    }
    return comparisons;
  }

  /** Which of them a dead gateway left unsettled nobody knows: the dearest, and all that the ledger cannot say yet. */
  private async findTolerance(reading: BudgetCounterReading, journal: bigint): Promise<bigint> {
    if (reading.unsettled === 0) return 0n;
    return journal + (await this.spending.sumOfDearest(reading.organization, reading, reading.unsettled));
  }

  private async askLedger(readings: readonly BudgetCounterReading[]): Promise<Map<string, bigint>> {
    const sums = new Map<string, bigint>();
    for (const reading of readings) {
      sums.set(nameOf(reading), await this.spending.sum(reading.organization, reading));
    }
    return sums;
  }

  /** For each counter what the journal holds and the ledger does not. */
  private async readJournal(readings: readonly BudgetCounterReading[]): Promise<Map<string, bigint>> {
    const sums = new Map<string, bigint>();
    if (readings.length === 0) return sums;
    const windows = new Map<string, BudgetCounterReading[]>();
    for (const reading of readings) {
      const subject = subjectOf(reading.scope, reading.organization, reading.subject);
      windows.set(subject, [...(windows.get(subject) ?? []), reading]);
    }
    const add = ({ organization, team, keyId, startedAtMs, costNanoUsd }: UsageRecord): void => {
      const subjects = [
        subjectOf('key', organization, keyId),
        subjectOf('team', organization, team),
        subjectOf('organization', organization, organization),
      ];
      for (const reading of subjects.flatMap((subject) => windows.get(subject) ?? [])) {
        if (startedAtMs < reading.startMs || startedAtMs >= reading.endMs) continue;
        sums.set(nameOf(reading), (sums.get(nameOf(reading)) ?? 0n) + (costNanoUsd ?? 0n));
      }
    };
    const seen = new Set<string>();
    for (const segment of listAllSegments(this.directory)) {
      const records = new Map<string, UsageRecord>();
      await visitEntries(segment, (entry) => {
        if (entry?.kind === 'record' && entry.record.costNanoUsd) records.set(entry.record.id, entry.record);
      });
      const ids = [...records.keys()].filter((id) => !seen.has(id));
      for (let at = 0; at < ids.length; at += BATCH) {
        const batch = ids.slice(at, at + BATCH);
        const known = await this.store.find(batch);
        for (const id of batch) {
          const record = records.get(id);
          if (!record || known.has(id)) continue;
          seen.add(id);
          add(record);
        }
      }
    }
    return sums;
  }
}

function describe(
  reading: BudgetCounterReading,
  before: Recorded,
  after: Recorded,
  toleranceNanoUsd: bigint,
): CounterComparison {
  const { spentNanoUsd } = reading;
  const recordedNanoUsd = clamp(spentNanoUsd, before.ledger + before.journal, after.ledger + after.journal);
  const differenceNanoUsd = spentNanoUsd - recordedNanoUsd;
  const agrees = differenceNanoUsd <= 0n && -differenceNanoUsd <= toleranceNanoUsd;
  return { ...reading, agrees, recordedNanoUsd, differenceNanoUsd, toleranceNanoUsd };
}

/** What was recorded as the counter was read: the moment between the two that suits it best. */
function clamp(amount: bigint, least: bigint, most: bigint): bigint {
  if (amount < least) return least;
  return amount > most ? most : amount;
}

function nameOf(reading: BudgetCounterReading): string {
  return budgetName(reading.organization, reading);
}

function subjectOf(...parts: readonly string[]): string {
  return JSON.stringify(parts);
}
