import { Injectable } from '@nestjs/common';
import type { CircuitState } from '../domain/observer.js';
import type { Target } from '../domain/target.js';

interface Trouble {
  readonly target: Target;
  readonly state: CircuitState;
}

/** Which targets are left alone right now, for the metrics. */
@Injectable()
export class CircuitStates {
  /** What is not closed, by target id. */
  private readonly troubled = new Map<string, Trouble>();

  note(target: Target, state: CircuitState): void {
    if (state === 'closed') this.troubled.delete(target.id);
    else this.troubled.set(target.id, { target, state });
  }

  /** The worst of those that serve this model at this provider: several deployments may. */
  worst(provider: string, model: string): CircuitState {
    const states = [...this.troubled.values()]
      .filter(({ target }) => target.provider.name === provider && target.model === model)
      .map(({ state }) => state);
    if (states.includes('open')) return 'open';
    return states[0] ?? 'closed';
  }
}
