import { Inject, Injectable } from '@nestjs/common';
import type { Clock } from '../domain/clock.js';
import { CLOCK } from '../domain/observer.js';
import type { Provider, Target } from '../domain/target.js';

/** How long a refused credential is left alone, so that a bad key costs one attempt a minute and not one a request. */
const REST_MS = 60_000;
const NONE: ReadonlySet<string> = new Set();

/**
 * Which of AEGIS's credentials may be used where: one that its provider refused rests everywhere, one that was used too
 * often rests for the model that said so. A reload makes new `Provider`s and so forgets all of it.
 */
@Injectable()
export class CredentialHealth {
  private readonly byProvider = new WeakMap<Provider, Map<string, number>>();

  constructor(@Inject(CLOCK) private readonly clock: Clock) {}

  /** The first credential, but for those `tried`, that may be used for this target now; null where all others rest. */
  find(target: Target, tried: ReadonlySet<string> = NONE): string | null {
    const { provider } = target;
    return (
      provider.credentials.find(
        (credential) =>
          !tried.has(credential) &&
          this.remainingMs(provider, refusedKey(credential)) <= 0 &&
          this.remainingMs(provider, limitedKey(credential, target)) <= 0,
      ) ?? null
    );
  }

  isRefused(provider: Provider): boolean {
    return provider.credentials.every((credential) => this.remainingMs(provider, refusedKey(credential)) > 0);
  }

  /** Milliseconds until a credential may be used that only its provider's rate limit holds back; null where one may be now. */
  findCooldownMs(target: Target): number | null {
    const { provider } = target;
    const pauses = provider.credentials
      .filter((credential) => this.remainingMs(provider, refusedKey(credential)) <= 0)
      .map((credential) => this.remainingMs(provider, limitedKey(credential, target)));
    const shortestMs = Math.min(...pauses);
    return pauses.length > 0 && shortestMs > 0 ? shortestMs : null;
  }

  markRefused(provider: Provider, credential: string): void {
    this.rest(provider, refusedKey(credential), REST_MS);
  }

  markLimited(target: Target, credential: string, pauseMs: number): void {
    this.rest(target.provider, limitedKey(credential, target), pauseMs);
  }

  markAccepted(provider: Provider, credential: string): void {
    this.byProvider.get(provider)?.delete(refusedKey(credential));
  }

  private rest(provider: Provider, key: string, pauseMs: number): void {
    if (pauseMs <= 0) return;
    const rests = this.byProvider.get(provider) ?? new Map<string, number>();
    this.byProvider.set(provider, rests);
    rests.set(key, Math.max(rests.get(key) ?? 0, this.clock.monotonicMs() + pauseMs));
  }

  private remainingMs(provider: Provider, key: string): number {
    const untilMs = this.byProvider.get(provider)?.get(key);
    return untilMs === undefined ? 0 : untilMs - this.clock.monotonicMs();
  }
}

function refusedKey(credential: string): string {
  return credential;
}

/** A NUL stands in no credential. */
function limitedKey(credential: string, target: Target): string {
  return `${credential}\0${target.id}`;
}
