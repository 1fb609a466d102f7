import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { BeforeApplicationShutdown, OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import { ReplyError } from 'ioredis';
import type { GatewayConfig } from '../../config/schema/gateway.config.js';
import type { Clock } from '../../domain/clock.js';
import { systemClock } from '../../domain/clock.js';
import { CLOCK } from '../../domain/observer.js';
import { Roster } from '../../domain/roster.js';
import { RedisUnavailableError } from '../../redis/redis.service.js';
import { WORKER_ROLE, type WorkerRole } from '../../workers/worker-role.js';
import { BudgetLines } from './budget-lines.js';
import { BudgetSeeder } from './budget-seeder.js';
import type {
  Actual,
  KnownSpending,
  LimitDemand,
  LimitFigures,
  LimitStore,
  Reservation,
  ReserveOutcome,
} from './limit-store.js';
import { LEASE_MS, unheard } from './limit-store.js';
import { LocalLimitStore } from './local-limit.store.js';
import { PrimaryLimitStore } from './primary-limit.store.js';
import { RedisLimitStore } from './redis-limit.store.js';
import { LINGER_MS } from './script-calls.js';
import { UnsettledQueue } from './unsettled-queue.js';

export type StoreFailurePolicy = GatewayConfig['limits']['onStoreFailure'];

/** What a request holds until it is over. One of the two is called, once; neither throws, neither is waited for. */
export interface Grant {
  /** Null where nobody counted. */
  readonly figures: LimitFigures | null;
  settle(actual: Actual): void;
  /** As if there had been no such request. */
  refund(): void;
}

export type GrantOutcome =
  | { readonly kind: 'admitted'; readonly grant: Grant }
  | Exclude<ReserveOutcome, { kind: 'admitted' | 'unseeded' }>
  /** Nobody counts, and the configuration says that nothing is let through then. */
  | { readonly kind: 'closed' };

/** How long a request waits for the rest of a budget that requests under way hold. */
const LONGEST_WAIT_MS = 10_000;
const RENEW_INTERVAL_MS = LEASE_MS / 3;
const CATCH_UP_INTERVAL_MS = 250;
const REPORT_INTERVAL_MS = 60_000;

/** Of a budget that nobody knows anything of. */
const NOTHING: KnownSpending = { spentNanoUsd: 0n, epoch: '' };

interface Held {
  readonly store: LimitStore;
  readonly reservation: Reservation;
  readonly sinceMs: number;
  hasEnded: boolean;
}

/** Counts in Redis, by its failure policy while it is away, in this process (of several workers: in their primary) where there is none; and brings Redis up to date afterwards. */
@Injectable()
export class LimiterService implements OnModuleInit, OnModuleDestroy, BeforeApplicationShutdown {
  private readonly logger = new Logger('Limits');
  private readonly clock: Clock;
  private readonly lines = new BudgetLines();
  private readonly unsettled: UnsettledQueue;
  /** Where it is counted what Redis does not count. */
  private readonly own: LimitStore;
  private readonly held = new Roster<Held>();
  private readonly endings = new Roster<Promise<void>>();
  private readonly timers: NodeJS.Timeout[] = [];
  private silentUntilMs = 0;

  constructor(
    private readonly shared: RedisLimitStore,
    private readonly local: LocalLimitStore,
    private readonly seeder: BudgetSeeder,
    @Optional() @Inject(CLOCK) clock?: Clock,
    @Optional() @Inject(WORKER_ROLE) role?: WorkerRole,
  ) {
    this.clock = clock ?? systemClock;
    this.own = role?.primary ? new PrimaryLimitStore(role.primary) : local;
    this.unsettled = new UnsettledQueue(shared, (demand, figures) => this.local.learn(demand, figures, []));
  }

  onModuleInit(): void {
    this.timers.push(
      setInterval(() => void this.renewAll(), RENEW_INTERVAL_MS).unref(),
      setInterval(() => void this.unsettled.catchUp(), CATCH_UP_INTERVAL_MS).unref(),
    );
  }

  onModuleDestroy(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.endings.list());
    await this.unsettled.catchUp();
  }

  /** Waits where a budget has room but for what requests under way hold of it. Throws only what is a fault of AEGIS. */
  async reserve(demand: LimitDemand, policy: StoreFailurePolicy, signal: AbortSignal): Promise<GrantOutcome> {
    const names = demand.budgets.map((budget) => lineName(demand, budget.scope, budget.subject));
    let line = names.find((name) => this.lines.hasLine(name));
    if (line === undefined) {
      const outcome = await this.ask(demand, policy);
      if (outcome.kind !== 'reserved') return outcome;
      line = names[outcome.budget] ?? '';
    }
    const patience = AbortSignal.any([signal, AbortSignal.timeout(LONGEST_WAIT_MS)]);
    const isSettled = ({ kind }: GrantOutcome): boolean => kind !== 'reserved';
    const ask = (): Promise<GrantOutcome> => this.ask(demand, policy);
    return (await this.lines.wait(line, ask, isSettled, patience)) ?? this.ask(demand, policy);
  }

  private async ask(demand: LimitDemand, policy: StoreFailurePolicy): Promise<GrantOutcome> {
    if (!this.shared.isEnabled) return this.askOwn(demand);
    if (this.shared.isAvailable) {
      try {
        this.unsettled.tellOf(demand);
        return await this.askStore(this.shared, demand);
      } catch (error) {
        // That Redis is away is said elsewhere; what it refuses to do is said here.
        if (!(error instanceof RedisUnavailableError)) {
          this.report(`Redis answers, but does not count: limits go by limits.on_store_failure. ${String(error)}`);
        }
        // It may have been granted all the same, but not where Redis said itself that it was not.
        if (!(error instanceof ReplyError)) this.unsettled.release(demand);
      }
    }
    switch (policy) {
      case 'local':
        return this.askOwn(demand);
      case 'closed':
        return { kind: 'closed' };
      case 'open':
        return { kind: 'admitted', grant: this.grantUncounted(demand) };
      default:
        return policy satisfies never;
    }
  }

  /** A primary that does not answer counts nothing, and nothing is let through uncounted. */
  private async askOwn(demand: LimitDemand): Promise<GrantOutcome> {
    if (this.own === this.local) return this.askStore(this.own, demand);
    try {
      return await this.askStore(this.own, demand);
    } catch (error) {
      this.report(`The primary counts no limits, and nothing is let through uncounted. ${String(error)}`);
      // It may be granted yet: what is said next arrives after the question.
      const { reservation, actual } = unheard(demand);
      void this.own.settle(reservation, actual).catch(() => undefined);
      return { kind: 'closed' };
    }
  }

  /** Once in a while: every request may have the same to say. */
  private report(problem: string): void {
    const nowMs = this.clock.monotonicMs();
    if (nowMs < this.silentUntilMs) return;
    this.silentUntilMs = nowMs + REPORT_INTERVAL_MS;
    this.logger.error(problem);
  }

  private async askStore(store: LimitStore, demand: LimitDemand): Promise<GrantOutcome> {
    let known: readonly (KnownSpending | null)[] =
      store === this.shared ? this.local.findShared(demand) : this.local.findSpent(demand);
    let outcome = await store.reserve(demand, known);
    if (outcome.kind === 'unseeded') {
      await this.seeder.seedAll(store, demand, outcome.figures.budgets);
      // What the ledger cannot tell begins at what is known here, be it nothing: keys are served while PostgreSQL is away.
      known = known.map((spent) => ({ ...(spent ?? NOTHING), isPart: false }));
      outcome = await store.reserve(demand, known);
    }
    if (store !== this.local && outcome.kind === 'refused' && outcome.by === 'parallel') {
      // Another replica, or worker, may not have said yet that a request is over.
      await setTimeout(2 * LINGER_MS);
      outcome = await store.reserve(demand, known);
    }
    if (store === this.shared) this.local.learn(demand, outcome.figures.budgets, known);
    const { budgets } = outcome.figures;
    if (budgets.some(({ isSeeded }) => !isSeeded)) void this.seeder.seedAll(store, demand, budgets);
    switch (outcome.kind) {
      case 'admitted':
        return { kind: 'admitted', grant: this.grant(store, outcome.reservation, outcome.figures) };
      case 'unseeded':
        throw new Error('A budget that was told what is known of it asks again.');
      default:
        return outcome;
    }
  }

  private grant(store: LimitStore, reservation: Reservation, figures: LimitFigures): Grant {
    const held: Held = { store, reservation, sinceMs: this.clock.monotonicMs(), hasEnded: false };
    const leave = this.held.enter(held);
    const end = (actual: Actual | null): void => {
      if (held.hasEnded) return;
      held.hasEnded = true;
      leave();
      const ending = this.end(store, reservation, actual && { ...actual, atMs: this.clock.nowMs() }).finally(() => {
        forget();
        for (const { scope, subject } of reservation.demand.budgets) {
          this.lines.wake(lineName(reservation.demand, scope, subject));
        }
      });
      const forget = this.endings.enter(ending);
    };
    return { figures, settle: end, refund: () => end(null) };
  }

  private grantUncounted(demand: LimitDemand): Grant {
    return {
      figures: null,
      settle: ({ costNanoUsd }) => {
        this.local.charge(demand, costNanoUsd);
        this.unsettled.charge(demand, costNanoUsd, this.clock.nowMs());
      },
      refund: () => undefined,
    };
  }

  /** `actual` null: refunded. */
  private async end(store: LimitStore, reservation: Reservation, actual: Actual | null): Promise<void> {
    const { demand } = reservation;
    if (store === this.own) {
      // Where the primary is gone, this process ends soon, too: what it was told by then is all that will be.
      await (actual ? store.settle(reservation, actual) : store.refund(reservation)).catch(() => undefined);
      if (actual && this.shared.isEnabled) this.unsettled.charge(demand, actual.costNanoUsd, this.clock.nowMs());
      return;
    }
    try {
      const figures = await (actual ? store.settle(reservation, actual) : store.refund(reservation));
      this.local.learn(demand, figures, []);
    } catch {
      this.unsettled.add(reservation, actual);
      if (actual) this.local.charge(demand, actual.costNanoUsd);
    }
  }

  private async renewAll(): Promise<void> {
    const longSinceMs = this.clock.monotonicMs() - RENEW_INTERVAL_MS;
    for (const held of this.held.list()) {
      if (held.hasEnded || held.sinceMs > longSinceMs) continue;
      await held.store.renew(held.reservation).catch(() => undefined);
    }
  }
}

function lineName({ organization }: LimitDemand, scope: string, subject: string): string {
  return JSON.stringify([organization, scope, subject]);
}

/** A name for a reservation. */
export function makeReservationId(): string {
  return randomUUID();
}
