import { Injectable } from '@nestjs/common';
import { RedisService } from '../../redis/redis.service.js';
import { endOfLifeMs, RENEW, RESERVE, SEED, SETTLE } from './limit-scripts.js';
import type {
  Actual,
  BudgetDemand,
  BudgetFigures,
  KnownSpending,
  LimitDemand,
  LimitFigures,
  LimitStore,
  Reservation,
  ReserveOutcome,
} from './limit-store.js';
import { ScriptCalls, scriptOf } from './script-calls.js';

const NONE = -1;
/** Fields of a reply before the budgets', and of each budget. */
const HEAD_FIELDS = 8;
const BUDGET_FIELDS = 5;

const SCRIPTS = { reserve: scriptOf(RESERVE), settle: scriptOf(SETTLE), renew: scriptOf(RENEW), seed: scriptOf(SEED) };

/**
 * Counts shared by all replicas. One script reserves everything that a request draws on; what became of the requests
 * before it travels with it.
 */
@Injectable()
export class RedisLimitStore implements LimitStore {
  private readonly calls: ScriptCalls;

  constructor(private readonly redis: RedisService) {
    this.calls = new ScriptCalls(redis);
  }

  get isEnabled(): boolean {
    return this.redis.isEnabled;
  }

  get isAvailable(): boolean {
    return this.redis.isAvailable;
  }

  async reserve(demand: LimitDemand, known: readonly (KnownSpending | null)[]): Promise<ReserveOutcome> {
    const reply = await this.calls.run(SCRIPTS.reserve, keysOf(demand), [
      demand.id,
      demand.requestLimit ?? NONE,
      demand.tokenLimit ?? NONE,
      demand.parallelLimit ?? NONE,
      demand.tokens,
      ...demand.budgets.flatMap(({ limitNanoUsd, estimateNanoUsd, endMs }, index) => [
        limitNanoUsd.toString(),
        estimateNanoUsd.toString(),
        known[index]?.spentNanoUsd.toString() ?? '',
        known[index]?.epoch ?? '',
        known[index]?.isPart ? 1 : 0,
        endOfLifeMs(endMs),
      ]),
    ]);
    return readOutcome(demand, reply);
  }

  settle(reservation: Reservation, actual: Actual): Promise<readonly BudgetFigures[]> {
    return this.end('settle', reservation, actual);
  }

  refund(reservation: Reservation): Promise<readonly BudgetFigures[]> {
    return this.end('refund', reservation, { tokens: 0, costNanoUsd: 0n });
  }

  async renew({ demand }: Reservation): Promise<void> {
    const [, , leases = '', ...budgets] = keysOf(demand);
    await this.calls.run(SCRIPTS.renew, [leases, ...budgets.filter((_, index) => index % 3 === 1)], [demand.id]);
  }

  async seed(demand: LimitDemand, budget: number, { spentNanoUsd, epoch }: KnownSpending): Promise<BudgetFigures> {
    const counter = keysOf(demand)[3 + budget * 3] ?? '';
    const reply = await this.calls.run(SCRIPTS.seed, [counter], [spentNanoUsd.toString(), epoch]);
    return readBudget(reply, 0);
  }

  private async end(
    kind: 'settle' | 'refund',
    { demand, second, epochs }: Reservation,
    { tokens, costNanoUsd, atMs }: Actual,
  ): Promise<readonly BudgetFigures[]> {
    const reply = await this.calls.runSoon(SCRIPTS.settle, keysOf(demand), [
      demand.id,
      kind,
      second,
      demand.tokenLimit === null ? NONE : demand.tokens,
      tokens,
      demand.requestLimit === null ? 0 : 1,
      atMs ?? 0,
      ...demand.budgets.flatMap(({ endMs }, index) => [
        epochs[index] ?? '',
        costNanoUsd.toString(),
        endOfLifeMs(endMs),
      ]),
    ]);
    return demand.budgets.map((_, index) => readBudget(reply, index * BUDGET_FIELDS));
  }
}

/** The braces keep what one script touches on one node of a cluster. */
function keysOf(demand: LimitDemand): string[] {
  const base = `aegis:limits:{${encodeURIComponent(demand.organization)}}`;
  const key = `${base}:key:${demand.keyId}`;
  return [
    `${key}:requests`,
    `${key}:tokens`,
    `${key}:open`,
    ...demand.budgets.flatMap((budget) => {
      const counter = `${base}:${budget.scope}:${encodeURIComponent(budget.subject)}:${periodOf(budget)}`;
      return [`${counter}:budget`, `${counter}:leases`, `${counter}:amounts`];
    }),
  ];
}

/** A day and a month may begin at the same moment. */
function periodOf({ startMs, endMs }: BudgetDemand): string {
  const start = new Date(startMs).toISOString();
  return endMs - startMs > 86_400_000 ? start.slice(0, 7) : start.slice(0, 10);
}

function readOutcome(demand: LimitDemand, reply: readonly string[]): ReserveOutcome {
  const [kind, index, pause, second] = reply;
  const figures: LimitFigures = {
    requests: { used: Number(reply[4]), resetMs: Number(reply[5]) },
    tokens: { used: Number(reply[6]), resetMs: Number(reply[7]) },
    budgets: demand.budgets.map((_, budget) => readBudget(reply, HEAD_FIELDS + budget * BUDGET_FIELDS)),
  };
  switch (kind) {
    case 'admitted': {
      const epochs = figures.budgets.map(({ epoch }) => epoch);
      return { kind, reservation: { demand, second: Number(second), epochs }, figures };
    }
    case 'requests':
    case 'tokens':
    case 'parallel':
      return { kind: 'refused', by: kind, retryAfterMs: Number(pause) < 0 ? null : Number(pause), figures };
    case 'spent':
    case 'reserved':
      return { kind, budget: Number(index) - 1, figures };
    case 'unseeded':
      return { kind, figures };
    default:
      throw new Error(`Redis gave an unknown answer to a reservation: ${String(kind)}`);
  }
}

/** As the script adds them up, but exactly. */
function readBudget(reply: readonly string[], at: number): BudgetFigures {
  const [ledger = '', floor, before, charged, epoch = ''] = reply.slice(at, at + BUDGET_FIELDS);
  const told = BigInt(floor || 0) + BigInt(before || 0);
  const earlier = BigInt(ledger || 0);
  return {
    spentNanoUsd: (earlier > told ? earlier : told) + BigInt(charged || 0),
    epoch,
    isSeeded: ledger !== '',
    beganAtMs: Math.floor(Number(epoch || 0) * 1000),
  };
}

export function getBudget(demand: LimitDemand, index: number): BudgetDemand {
  const budget = demand.budgets[index];
  if (budget === undefined) throw new Error('There is no such budget in this demand.');
  return budget;
}
