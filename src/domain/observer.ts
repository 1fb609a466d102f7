import type { FilterAction } from './finding.js';
import type { KeyTier } from './key-store.js';
import type { Target } from './target.js';

/** How an attempt at a target ended. A closed vocabulary, used as a metric label. */
export const ATTEMPT_OUTCOMES = [
  'success',
  'caller_fault',
  'rate_limited',
  'credential',
  'timeout',
  'connect',
  'invalid_response',
  'upstream_fault',
  'cancelled',
] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

/** `closed` lets requests pass, `open` none, `half_open` one to see whether the target answers again. */
export const CIRCUIT_STATES = ['closed', 'half_open', 'open'] as const;
export type CircuitState = (typeof CIRCUIT_STATES)[number];

/** What a request was refused by: a limit of its key, a budget, or counting itself, where nothing is let through uncounted. */
export const LIMIT_NAMES = [
  'requests',
  'tokens',
  'parallel',
  'key_budget',
  'team_budget',
  'organization_budget',
  'store',
] as const;
export type LimitName = (typeof LIMIT_NAMES)[number];

/** What there was too much of where a request was not taken on: work to do at once, open requests, bodies in memory. */
export const SHED_REASONS = ['delay', 'in_flight', 'bodies'] as const;
export type ShedReason = (typeof SHED_REASONS)[number];

/**
 * Why a connection never came to speak TLS: it took too long, the client showed no certificate that it needs, it left
 * before the end, or what it sent was no TLS, or none that is spoken here.
 */
export const HANDSHAKE_FAILURES = ['timeout', 'client_certificate', 'closed', 'protocol'] as const;
export type HandshakeFailure = (typeof HANDSHAKE_FAILURES)[number];

/** `healthy` and `degraded` serve requests; `down` does not. */
export type DependencyState = 'healthy' | 'degraded' | 'down';

/**
 * What the rooms report as it happens. Telemetry implements it; nobody else knows how. Names come from configuration
 * or closed sets, never from a request. Never throws, never blocks.
 */
export interface GatewayObserver {
  keyLookedUp(tier: KeyTier): void;
  /** Redis holds a key's entry that was not sealed here. */
  keyEntryRefused(): void;
  filterActed(filter: string, rule: string, action: FilterAction): void;
  attemptEnded(provider: string, model: string, outcome: AttemptOutcome, durationMs: number): void;
  /** Another chunk of a stream is in, so long after the one before; `model` is the alias asked for. */
  chunkReceived(model: string, provider: string, afterMs: number): void;
  /** The same target is tried again, with another credential or after a pause, because of `outcome`. */
  retried(target: Target, outcome: AttemptOutcome): void;
  /** The next target is tried because of `outcome` at the one before. */
  fellBack(model: string, outcome: AttemptOutcome): void;
  configReloaded(outcome: 'applied' | 'rejected' | 'unchanged'): void;
  /** Of the target's circuit breaker. */
  circuitChanged(target: Target, state: CircuitState): void;
  dependencyChanged(name: 'database' | 'redis', state: DependencyState): void;
  /** A request was refused. */
  requestLimited(limit: LimitName): void;
  /** A request was not taken on, as this process has too much to do. */
  requestShed(reason: ShedReason): void;
  /** How late a new request may now be and still be let in, and how many may be open. */
  admissionChanged(patienceMs: number, maxInFlight: number): void;
  /** The listener's certificate, until when (milliseconds since 1970), and whether it is that of its files. */
  certificateServes(notAfterMs: number, isCurrent: boolean): void;
  /** A client's connection came to nothing before its first request. */
  handshakeFailed(reason: HandshakeFailure): void;
  /** A usage record is in the journal. */
  usageJournalled(): void;
  /** A usage record could not be written, or could not be read again. */
  journalFailed(): void;
  /** What the journal holds: records that are not in the ledger yet, and all its bytes. */
  journalMeasured(depth: number, bytes: number): void;
  /** So many records are in the ledger that were not before. */
  usageShipped(records: number): void;
}

/** Injection token of the `GatewayObserver`. */
export const GATEWAY_OBSERVER = Symbol('GatewayObserver');
/** Injection token of the `Clock`. */
export const CLOCK = Symbol('Clock');

export const silentObserver: GatewayObserver = {
  keyLookedUp: () => undefined,
  keyEntryRefused: () => undefined,
  filterActed: () => undefined,
  attemptEnded: () => undefined,
  chunkReceived: () => undefined,
  retried: () => undefined,
  fellBack: () => undefined,
  configReloaded: () => undefined,
  circuitChanged: () => undefined,
  dependencyChanged: () => undefined,
  requestLimited: () => undefined,
  requestShed: () => undefined,
  admissionChanged: () => undefined,
  certificateServes: () => undefined,
  handshakeFailed: () => undefined,
  usageJournalled: () => undefined,
  journalFailed: () => undefined,
  journalMeasured: () => undefined,
  usageShipped: () => undefined,
};
