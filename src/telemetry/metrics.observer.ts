import { Inject, Injectable } from '@nestjs/common';
import type { Counter, Gauge, Histogram } from 'prom-client';
import type { FilterAction } from '../domain/finding.js';
import type { KeyTier } from '../domain/key-store.js';
import {
  type AttemptOutcome,
  CIRCUIT_STATES,
  type CircuitState,
  type DependencyState,
  type GatewayObserver,
  type LimitName,
} from '../domain/observer.js';
import type { Target } from '../domain/target.js';
import { CircuitStates } from './circuit-states.js';
import { metricToken } from './metrics.js';

const DEPENDENCY_STATES: readonly DependencyState[] = ['healthy', 'degraded', 'down'];

/** What the rooms report, as Prometheus metrics. */
@Injectable()
export class MetricsObserver implements GatewayObserver {
  constructor(
    @Inject(metricToken('keyLookups')) private readonly keyLookups: Counter,
    @Inject(metricToken('keyEntriesRefused')) private readonly keyEntriesRefused: Counter,
    @Inject(metricToken('filterActions')) private readonly filterActions: Counter,
    @Inject(metricToken('attempts')) private readonly attempts: Counter,
    @Inject(metricToken('attemptDuration')) private readonly attemptDuration: Histogram,
    @Inject(metricToken('fallbacks')) private readonly fallbacks: Counter,
    @Inject(metricToken('circuitState')) private readonly circuitState: Gauge,
    @Inject(metricToken('circuitOpenings')) private readonly circuitOpenings: Counter,
    private readonly circuits: CircuitStates,
    @Inject(metricToken('configReloads')) private readonly configReloads: Counter,
    @Inject(metricToken('rateLimited')) private readonly rateLimited: Counter,
    @Inject(metricToken('dependencyState')) private readonly dependencyState: Gauge,
    @Inject(metricToken('journalRecords')) private readonly journalRecords: Counter,
    @Inject(metricToken('journalDepth')) private readonly journalDepth: Gauge,
    @Inject(metricToken('journalBytes')) private readonly journalBytes: Gauge,
    @Inject(metricToken('journalFailures')) private readonly journalFailures: Counter,
    @Inject(metricToken('ledgerShipped')) private readonly ledgerShipped: Counter,
  ) {}

  keyLookedUp(tier: KeyTier): void {
    this.keyLookups.inc({ tier });
  }

  keyEntryRefused(): void {
    this.keyEntriesRefused.inc();
  }

  filterActed(filter: string, rule: string, action: FilterAction): void {
    this.filterActions.inc({ filter, rule, action: typeof action === 'string' ? action : 'raise_to' });
  }

  attemptEnded(provider: string, model: string, outcome: AttemptOutcome, durationMs: number): void {
    this.attempts.inc({ provider, model, outcome });
    this.attemptDuration.observe({ provider, model }, durationMs / 1000);
  }

  fellBack(model: string, outcome: AttemptOutcome): void {
    this.fallbacks.inc({ model, outcome });
  }

  circuitChanged(target: Target, state: CircuitState): void {
    const { model } = target;
    const provider = target.provider.name;
    this.circuits.note(target, state);
    if (state === 'open') this.circuitOpenings.inc({ provider, model });
    const worst = this.circuits.worst(provider, model);
    for (const each of CIRCUIT_STATES) this.circuitState.set({ provider, model, state: each }, each === worst ? 1 : 0);
  }

  configReloaded(outcome: 'applied' | 'rejected' | 'unchanged'): void {
    this.configReloads.inc({ outcome });
  }

  requestLimited(limit: LimitName): void {
    this.rateLimited.inc({ limit });
  }

  dependencyChanged(name: 'database' | 'redis', state: DependencyState): void {
    for (const each of DEPENDENCY_STATES) {
      this.dependencyState.set({ dependency: name, state: each }, each === state ? 1 : 0);
    }
  }

  usageJournalled(): void {
    this.journalRecords.inc();
  }

  journalFailed(): void {
    this.journalFailures.inc();
  }

  journalMeasured(depth: number, bytes: number): void {
    this.journalDepth.set(depth);
    this.journalBytes.set(bytes);
  }

  usageShipped(records: number): void {
    this.ledgerShipped.inc(records);
  }
}
