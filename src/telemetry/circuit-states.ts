import { Injectable } from '@nestjs/common';
import type { CircuitState } from '../domain/observer.js';

/** Which targets are left alone right now, for the health summary. */
@Injectable()
export class CircuitStates {
  /** What is not closed, by provider and model. */
  private readonly troubled = new Map<string, CircuitState>();

  note(provider: string, model: string, state: CircuitState): void {
    const key = `${provider}/${model}`;
    if (state === 'closed') this.troubled.delete(key);
    else this.troubled.set(key, state);
  }

  count(state: Exclude<CircuitState, 'closed'>): number {
    return [...this.troubled.values()].filter((each) => each === state).length;
  }
}
