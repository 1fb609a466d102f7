import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { UsageRecord } from '../../domain/accounting.js';
import { REFUSED_FILE } from '../../journal/journal.shipper.js';
import { GATEWAY_DIED } from '../journal/orphans.js';
import { listAllSegments, listJournal, visitEntries } from './journal-files.js';
import {
  type Amounts,
  addAmounts,
  type LedgerAmounts,
  NOTHING,
  type ReconciliationStore,
} from './reconciliation.store.js';

const BATCH = 500;
/** Records of the last second are on their way: gateways that run bring them. */
const PATIENCE_MS = 5_000;
const LOOK_AGAIN_MS = 500;
/** More are counted and not named. */
const MAX_NAMED = 100;

/** From, not including to; in milliseconds since 1970, by when requests began. Null: no bound. */
export interface Period {
  readonly fromMs: number | null;
  readonly toMs: number | null;
}

export interface Reconciliation {
  readonly agrees: boolean;
  /** What the journal still holds, and what the ledger has of just that. */
  readonly journal: Amounts;
  readonly ledger: Amounts;
  /** Everything in the ledger within the period: its requests, and their attempts summed up. */
  readonly requests: Amounts;
  readonly attempts: Amounts;
  /** Ids, at most 100 of each. */
  readonly missing: readonly string[];
  readonly missingCount: number;
  readonly differing: readonly string[];
  readonly differingCount: number;
  /** Requests that the journal says were begun and not ended: under way, or waiting for a gateway to take them over. */
  readonly openCount: number;
  /** What cannot be proven: damaged segments, refused records. */
  readonly problems: readonly string[];
}

/** Holds the journal of every process, as it lies on the disk, against the ledger. Changes nothing. */
export class Reconciler {
  private readonly missing = new Map<string, LedgerAmounts>();
  private readonly differing = new Set<string>();
  private readonly open = new Set<string>();
  /** What others said of requests whose gateway they took for dead: the ledger may know better by now. */
  private readonly heirs = new Set<string>();
  private readonly problems: string[] = [];
  private journal = NOTHING;
  private ledger = NOTHING;

  constructor(
    private readonly directory: string,
    private readonly store: ReconciliationStore,
    private readonly period: Period,
  ) {}

  async run(): Promise<Reconciliation> {
    this.lookForProblems();
    for (const segment of listAllSegments(this.directory)) await this.check(segment);
    for (const end = performance.now() + PATIENCE_MS; this.missing.size > 0 && performance.now() < end; ) {
      await sleep(LOOK_AGAIN_MS);
      await this.compare(new Map(this.missing));
    }
    const { requests, attempts } = await this.store.sum(this.period);
    if (!isSame(requests, attempts))
      this.problems.push('the sums of requests and of their attempts differ in the ledger');
    const missing = [...this.missing.keys()];
    const differing = [...this.differing];
    return {
      agrees: missing.length + differing.length + this.problems.length === 0,
      journal: this.journal,
      ledger: this.ledger,
      requests,
      attempts,
      missing: missing.slice(0, MAX_NAMED),
      missingCount: missing.length,
      differing: differing.slice(0, MAX_NAMED),
      differingCount: differing.length,
      openCount: this.open.size,
      problems: this.problems,
    };
  }

  private lookForProblems(): void {
    for (const name of listJournal(this.directory)) {
      if (name.endsWith('.damaged')) this.problems.push(`${name}: holds what could not be read`);
      if (name !== REFUSED_FILE) continue;
      const lines = readFileSync(path.join(this.directory, name), 'utf8').split('\n').length - 1;
      this.problems.push(`${name}: ${lines} records that PostgreSQL did not take`);
    }
  }

  private async check(segment: string): Promise<void> {
    const found = new Map<string, LedgerAmounts>();
    const damages = await visitEntries(segment, (entry) => {
      if (!entry) this.problems.push(`${segment}: an entry of a form this version does not know`);
      else if (entry.kind === 'beginning') this.open.add(entry.beginning.id);
      else {
        this.open.delete(entry.record.id);
        if (this.isWithin(entry.record)) this.take(entry.record, found);
      }
    });
    this.problems.push(...damages);
    for (const amounts of found.values()) this.journal = addAmounts(this.journal, amounts);
    const entries = [...found];
    for (let at = 0; at < entries.length; at += BATCH) await this.compare(new Map(entries.slice(at, at + BATCH)));
  }

  private take(record: UsageRecord, found: Map<string, LedgerAmounts>): void {
    const { id, code } = record;
    if (code === GATEWAY_DIED) {
      if (found.has(id)) return;
      this.heirs.add(id);
    } else this.heirs.delete(id);
    found.set(id, amountsOf(record));
  }

  private async compare(expected: ReadonlyMap<string, LedgerAmounts>): Promise<void> {
    const rows = await this.store.find([...expected.keys()]);
    for (const [id, amounts] of expected) {
      const row = rows.get(id);
      if (!row) {
        this.missing.set(id, amounts);
        continue;
      }
      this.missing.delete(id);
      this.ledger = addAmounts(this.ledger, row);
      if (this.heirs.has(id)) continue;
      if (!isSame(row, amounts) || row.attempts !== amounts.attempts) this.differing.add(id);
    }
  }

  private isWithin({ startedAtMs }: UsageRecord): boolean {
    const { fromMs, toMs } = this.period;
    return (fromMs === null || startedAtMs >= fromMs) && (toMs === null || startedAtMs < toMs);
  }
}

function amountsOf({ usage, costNanoUsd, attempts }: UsageRecord): LedgerAmounts {
  return {
    count: 1,
    promptTokens: BigInt(usage?.promptTokens ?? 0),
    completionTokens: BigInt(usage?.completionTokens ?? 0),
    costNanoUsd: costNanoUsd ?? 0n,
    attempts: attempts.length,
  };
}

function isSame(one: Amounts, other: Amounts): boolean {
  return (
    one.promptTokens === other.promptTokens &&
    one.completionTokens === other.completionTokens &&
    one.costNanoUsd === other.costNanoUsd
  );
}
