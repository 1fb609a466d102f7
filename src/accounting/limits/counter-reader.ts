import type { Redis } from 'ioredis';
import type { RedisService } from '../../redis/redis.service.js';
import { periodOf } from './budget-period.js';
import type { BudgetDemand, BudgetScope } from './limit-store.js';

const ALL_COUNTERS = 'aegis:limits:*:budget';
/** Organization, scope, subject, window: as `RedisLimitStore` names them. */
const NAME = /^(aegis:limits:\{([^{}:]+)\}:(key|team|organization):([^:]+):(\d{4}-\d{2}(?:-\d{2})?)):budget$/;
const SCAN_COUNT = 1_000;
/** Entries of `amounts` that are no reservations but remember who was told late. */
const TOLD_LATE = 'late:';

/** The counter of one budget in the window that lasts. */
export interface BudgetCounterReading extends Pick<BudgetDemand, 'scope' | 'subject' | 'startMs' | 'endMs'> {
  readonly organization: string;
  /** Nano-USD of what has ended, without what is merely reserved. */
  readonly spentNanoUsd: bigint;
  /** False while it has not learned from the ledger what was spent before it began. */
  readonly isSeeded: boolean;
  /** Reservations that nobody settled: of requests under way, and of such whose gateway died. */
  readonly unsettled: number;
}

interface CounterName {
  readonly key: string;
  readonly amountsKey: string;
  readonly organization: string;
  readonly budget: Pick<BudgetDemand, 'scope' | 'subject' | 'startMs' | 'endMs'>;
}

/** Reads what Redis has counted, for people who check it. Changes nothing, and is no part of any request. */
export class CounterReader {
  constructor(private readonly redis: RedisService) {}

  /** Every budget with a counter in the window that `nowMs` (since 1970) lies in. Throws `RedisUnavailableError`. */
  async list(nowMs: number): Promise<BudgetCounterReading[]> {
    const readings = await this.redis.runOnEach((client) => readServer(client, nowMs));
    return readings
      .flat()
      .sort((one, other) => (one.key < other.key ? -1 : 1))
      .map(({ reading }) => reading);
  }
}

async function readServer(client: Redis, nowMs: number): Promise<{ key: string; reading: BudgetCounterReading }[]> {
  const readings: { key: string; reading: BudgetCounterReading }[] = [];
  for (const name of await findNames(client, nowMs)) {
    // In this order: what is settled in between stands in both at worst.
    const unsettled = await countUnsettled(client, name.amountsKey);
    const [epoch, ledger, floor, before, charged] = await client.hmget(
      name.key,
      'epoch',
      'ledger',
      'floor',
      'before',
      'charged',
    );
    if (epoch === null) continue;
    const told = BigInt(floor ?? 0) + BigInt(before ?? 0);
    const earlier = BigInt(ledger ?? 0);
    const spentNanoUsd = (earlier > told ? earlier : told) + BigInt(charged ?? 0);
    const { key, organization, budget } = name;
    readings.push({ key, reading: { ...budget, organization, spentNanoUsd, isSeeded: ledger !== null, unsettled } });
  }
  return readings;
}

async function findNames(client: Redis, nowMs: number): Promise<CounterName[]> {
  const names = new Map<string, CounterName>();
  let cursor = '0';
  do {
    const [next, keys] = await client.scan(cursor, 'MATCH', ALL_COUNTERS, 'COUNT', SCAN_COUNT);
    for (const key of keys) {
      const name = readName(key, nowMs);
      if (name) names.set(key, name);
    }
    cursor = next;
  } while (cursor !== '0');
  return [...names.values()];
}

/** Null where it is no counter, or one of another window. */
function readName(key: string, nowMs: number): CounterName | null {
  const [, base = '', organization = '', scope = '', subject = '', label = ''] = NAME.exec(key) ?? [];
  if (base === '') return null;
  const { startMs, endMs } = periodOf(label.length === 'yyyy-mm'.length ? 'month' : 'day', nowMs);
  if (!new Date(startMs).toISOString().startsWith(label)) return null;
  return {
    key,
    amountsKey: `${base}:amounts`,
    organization: decodeURIComponent(organization),
    budget: { scope: scope as BudgetScope, subject: decodeURIComponent(subject), startMs, endMs },
  };
}

async function countUnsettled(client: Redis, amountsKey: string): Promise<number> {
  const ids = new Set<string>();
  let cursor = '0';
  do {
    const [next, fields] = await client.hscan(amountsKey, cursor, 'COUNT', SCAN_COUNT);
    // Names and values take turns.
    fields.forEach((field, index) => {
      if (index % 2 === 0 && !field.startsWith(TOLD_LATE)) ids.add(field);
    });
    cursor = next;
  } while (cursor !== '0');
  return ids.size;
}
