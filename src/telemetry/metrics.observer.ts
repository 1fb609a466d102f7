import { Inject, Injectable } from '@nestjs/common';
import type { FilterAction } from '../domain/finding.js';
import type { KeyTier } from '../domain/key-store.js';
import {
  type AttemptOutcome,
  CIRCUIT_STATES,
  type CircuitState,
  type DependencyState,
  type GatewayObserver,
  HANDSHAKE_FAILURES,
  type HandshakeFailure,
  type LimitName,
  SHED_REASONS,
  type ShedReason,
} from '../domain/observer.js';
import type { Target } from '../domain/target.js';
import { CircuitStates } from './circuit-states.js';
import { METRIC_SET, type MetricSet } from './metrics.js';

/** In a gauge: there is none. */
const NO_BOUND = -1;
const DEPENDENCY_STATES: readonly DependencyState[] = ['healthy', 'degraded', 'down'];

/** What the rooms report, as Prometheus metrics. */
@Injectable()
export class MetricsObserver implements GatewayObserver {
  constructor(
    @Inject(METRIC_SET) private readonly metrics: MetricSet,
    private readonly circuits: CircuitStates,
  ) {
    // A series that begins with its first event begins too late for whoever asks how fast it grows.
    for (const reason of SHED_REASONS) metrics.requestsShed.inc({ reason }, 0);
    for (const reason of HANDSHAKE_FAILURES) metrics.handshakeFailures.inc({ reason }, 0);
  }

  keyLookedUp(tier: KeyTier): void {
    this.metrics.keyLookups.inc({ tier });
  }

  keyEntryRefused(): void {
    this.metrics.keyEntriesRefused.inc();
  }

  filterActed(filter: string, rule: string, action: FilterAction): void {
    this.metrics.filterActions.inc({ filter, rule, action: typeof action === 'string' ? action : 'raise_to' });
  }

  attemptEnded(provider: string, model: string, outcome: AttemptOutcome, durationMs: number): void {
    this.metrics.attempts.inc({ provider, model, outcome });
    this.metrics.attemptDuration.observe({ provider, model }, durationMs / 1000);
  }

  chunkReceived(model: string, provider: string, afterMs: number): void {
    this.metrics.timePerChunk.observe({ model, provider }, afterMs / 1000);
  }

  retried({ provider, model }: Target, outcome: AttemptOutcome): void {
    this.metrics.retries.inc({ provider: provider.name, model, outcome });
  }

  fellBack(model: string, outcome: AttemptOutcome): void {
    this.metrics.fallbacks.inc({ model, outcome });
  }

  circuitChanged(target: Target, state: CircuitState): void {
    const { circuitState, circuitOpenings } = this.metrics;
    const { model } = target;
    const provider = target.provider.name;
    this.circuits.note(target, state);
    if (state === 'open') circuitOpenings.inc({ provider, model });
    const worst = this.circuits.worst(provider, model);
    for (const each of CIRCUIT_STATES) circuitState.set({ provider, model, state: each }, each === worst ? 1 : 0);
  }

  configReloaded(outcome: 'applied' | 'rejected' | 'unchanged'): void {
    this.metrics.configReloads.inc({ outcome });
  }

  requestLimited(limit: LimitName): void {
    this.metrics.rateLimited.inc({ limit });
  }

  requestShed(reason: ShedReason): void {
    this.metrics.requestsShed.inc({ reason });
  }

  admissionChanged(patienceMs: number, maxInFlight: number): void {
    this.metrics.admissionPatience.set(Number.isFinite(patienceMs) ? patienceMs / 1000 : NO_BOUND);
    this.metrics.inFlightLimit.set(Number.isFinite(maxInFlight) ? maxInFlight : NO_BOUND);
  }

  dependencyChanged(name: 'database' | 'redis', state: DependencyState): void {
    for (const each of DEPENDENCY_STATES) {
      this.metrics.dependencyState.set({ dependency: name, state: each }, each === state ? 1 : 0);
    }
  }

  certificateServes(notAfterMs: number, isCurrent: boolean): void {
    this.metrics.certificateNotAfter.set(notAfterMs / 1000);
    this.metrics.certificateRejected.set(isCurrent ? 0 : 1);
  }

  handshakeFailed(reason: HandshakeFailure): void {
    this.metrics.handshakeFailures.inc({ reason });
  }

  usageJournalled(): void {
    this.metrics.journalRecords.inc();
  }

  journalFailed(): void {
    this.metrics.journalFailures.inc();
  }

  journalMeasured(depth: number, bytes: number): void {
    this.metrics.journalDepth.set(depth);
    this.metrics.journalBytes.set(bytes);
  }

  usageShipped(records: number): void {
    this.metrics.ledgerShipped.inc(records);
  }
}
