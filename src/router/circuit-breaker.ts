import { Inject, Injectable, Optional } from '@nestjs/common';
import type { CircuitBreakerConfig } from '../config/schema/gateway.config.js';
import type { Clock } from '../domain/clock.js';
import {
  type CircuitState,
  CLOCK,
  GATEWAY_OBSERVER,
  type GatewayObserver,
  silentObserver,
} from '../domain/observer.js';
import type { Target } from '../domain/target.js';
import { OutcomeWindow } from './outcome-window.js';
import { RANDOM, type Random } from './random.js';

/** Every failed probe doubles the pause, up to this many times. */
const MAX_DOUBLINGS = 4;
/** What a client is told while a probe is under way, whose end nobody knows. */
const PROBE_RETRY_MS = 1_000;

/** One attempt's leave to pass. Its end is told once, by one of the last three; what follows is ignored. */
export interface Passage {
  /** The target answers: a circuit that this attempt probes is closed. The attempt's end is still to be told. */
  answered(): void;
  succeeded(): void;
  failed(): void;
  /** The attempt says nothing about the target: the client left, or the request was at fault. */
  released(): void;
}

interface Circuit {
  readonly target: Target;
  state: CircuitState;
  consecutiveFailures: number;
  /** How often it opened since it was last closed. */
  openings: number;
  probeAtMs: number;
  /** The attempt that finds out whether the target answers again. */
  probe: object | null;
  /** Grows with every opening and closing: an attempt begun before one says nothing about what came after. */
  era: number;
  window: OutcomeWindow;
}

/**
 * A circuit breaker for each target. It opens after some failures in a row, or when too large a part of the requests
 * in a window failed; after a pause one request at a time may try whether the target answers again. Faults of the
 * caller and clients that leave are no failures.
 */
@Injectable()
export class CircuitBreaker {
  /** By target id: a reload must not forget that a server is down. */
  private readonly circuits = new Map<string, Circuit>();
  private readonly observer: GatewayObserver;

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(RANDOM) private readonly random: Random,
    @Optional() @Inject(GATEWAY_OBSERVER) observer: GatewayObserver | null = null,
  ) {
    this.observer = observer ?? silentObserver;
  }

  stateOf(target: Target): CircuitState {
    return this.circuits.get(target.id)?.state ?? 'closed';
  }

  /** Milliseconds until the target may be tried again; null where it may be tried now. Changes nothing. */
  findPauseMs(target: Target): number | null {
    const circuit = this.circuits.get(target.id);
    if (!circuit || circuit.state === 'closed') return null;
    if (circuit.probe) return PROBE_RETRY_MS;
    const pauseMs = circuit.probeAtMs - this.clock.monotonicMs();
    return pauseMs > 0 ? pauseMs : null;
  }

  /** Null where the circuit lets nobody pass. */
  enter(target: Target, config: CircuitBreakerConfig): Passage | null {
    if (!config.enabled) return FREE_PASSAGE;
    if (this.findPauseMs(target) !== null) return null;
    const circuit = this.circuitOf(target, config);
    const attempt = { era: circuit.era, isOver: false };
    if (circuit.state !== 'closed') {
      circuit.probe = attempt;
      this.change(circuit, 'half_open');
    }
    const isProbe = () => circuit.probe === attempt;
    const end = (tell: () => void): void => {
      if (attempt.isOver) return;
      attempt.isOver = true;
      if (isProbe() || attempt.era === circuit.era) tell();
      if (isProbe()) circuit.probe = null;
    };
    const answered = (): void => {
      if (attempt.isOver || !isProbe()) return;
      this.close(circuit);
      attempt.era = circuit.era;
    };
    return {
      answered,
      succeeded: () => {
        answered();
        end(() => {
          circuit.consecutiveFailures = 0;
          circuit.window.add('success', this.clock.monotonicMs());
        });
      },
      failed: () =>
        end(() => {
          if (isProbe()) this.open(circuit, config);
          else this.countFailure(circuit, config);
        }),
      released: () => end(() => undefined),
    };
  }

  /** Closes and forgets all other circuits than those of these targets. */
  retain(targetIds: ReadonlySet<string>): void {
    for (const [id, circuit] of this.circuits) {
      if (targetIds.has(id)) continue;
      this.close(circuit);
      this.circuits.delete(id);
    }
  }

  private countFailure(circuit: Circuit, config: CircuitBreakerConfig): void {
    const nowMs = this.clock.monotonicMs();
    circuit.consecutiveFailures++;
    circuit.window.add('failure', nowMs);
    const { failures, total } = circuit.window.count(nowMs);
    const tooMany = total >= config.minRequests && failures * 100 >= total * config.failurePercent;
    if (tooMany || circuit.consecutiveFailures >= config.consecutiveFailures) this.open(circuit, config);
  }

  private open(circuit: Circuit, config: CircuitBreakerConfig): void {
    const pauseMs = Math.min(config.openForMs * 2 ** Math.min(circuit.openings, MAX_DOUBLINGS), config.openForMaxMs);
    circuit.openings++;
    circuit.era++;
    circuit.probe = null;
    // Spread over replicas and targets, so that a server that comes back is not met by all of them at once.
    circuit.probeAtMs = this.clock.monotonicMs() + pauseMs * (0.5 + this.random() / 2);
    this.change(circuit, 'open');
  }

  private close(circuit: Circuit): void {
    circuit.openings = 0;
    circuit.era++;
    circuit.probe = null;
    circuit.consecutiveFailures = 0;
    circuit.window.clear();
    this.change(circuit, 'closed');
  }

  private change(circuit: Circuit, state: CircuitState): void {
    if (circuit.state === state) return;
    circuit.state = state;
    this.observer.circuitChanged(circuit.target, state);
  }

  private circuitOf(target: Target, config: CircuitBreakerConfig): Circuit {
    let circuit = this.circuits.get(target.id);
    if (!circuit) {
      circuit = {
        target,
        state: 'closed',
        consecutiveFailures: 0,
        openings: 0,
        probeAtMs: 0,
        probe: null,
        era: 0,
        window: new OutcomeWindow(config.windowMs),
      };
      this.circuits.set(target.id, circuit);
    } else if (circuit.window.lengthMs !== config.windowMs) {
      circuit.window = new OutcomeWindow(config.windowMs);
    }
    return circuit;
  }
}

const FREE_PASSAGE: Passage = {
  answered: () => undefined,
  succeeded: () => undefined,
  failed: () => undefined,
  released: () => undefined,
};
