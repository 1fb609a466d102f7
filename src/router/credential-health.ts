import { Inject, Injectable } from '@nestjs/common';
import type { Clock } from '../domain/clock.js';
import { CLOCK } from '../domain/observer.js';
import type { Provider } from '../domain/target.js';

/** How long a refused credential is left alone, so that a bad key costs one attempt a minute and not one a request. */
const REST_MS = 60_000;

/** Which providers lately refused AEGIS's own credential. A reload makes new `Provider`s and so forgets all of it. */
@Injectable()
export class CredentialHealth {
  private readonly refusedUntilMs = new WeakMap<Provider, number>();

  constructor(@Inject(CLOCK) private readonly clock: Clock) {}

  isRefused(provider: Provider): boolean {
    return (this.refusedUntilMs.get(provider) ?? Number.NEGATIVE_INFINITY) > this.clock.monotonicMs();
  }

  markRefused(provider: Provider): void {
    this.refusedUntilMs.set(provider, this.clock.monotonicMs() + REST_MS);
  }

  markAccepted(provider: Provider): void {
    this.refusedUntilMs.delete(provider);
  }
}
