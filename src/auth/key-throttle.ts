import type { IncomingMessage } from 'node:http';
import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import { type Clock, systemClock } from '../domain/clock.js';
import { AegisError } from '../domain/errors.js';
import { networkOf } from '../domain/network-address.js';
import { CLOCK } from '../domain/observer.js';
import { WORKER_ROLE, type WorkerRole } from '../workers/worker-role.js';
import { AUTH_SETTINGS, type AuthSettings } from './auth-settings.js';
import { ClientAddresses } from './client-addresses.js';
import { TokenBuckets } from './token-buckets.js';

/** Addresses that are remembered; an attacker who has more of them pushes out his own. */
const MAX_ADDRESSES = 20_000;
const LOG_PAUSE_MS = 10_000;
/** Look-ups are held back later than answers: many who are behind one address may begin at the same moment. */
const LOOKUPS_PER_FAILURE = 10;

/**
 * Holds back addresses that send many keys that are not valid. It bounds what they cost: what stores are asked, and what
 * can be tried. Nobody is held back who sends a key that is known in memory, from whatever address.
 */
@Injectable()
export class KeyThrottle {
  private readonly logger = new Logger('KeyThrottle');
  private readonly addresses: ClientAddresses;
  private readonly isOff: boolean;
  private readonly clock: Clock;
  private readonly failures: TokenBuckets;
  /**
   * Apart from the failures: one client with an old key, repeated for ever, costs no look-up, and must not keep the
   * others behind the same address from using theirs for the first time.
   */
  private readonly lookups: TokenBuckets;
  private mayLogAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    @Inject(AUTH_SETTINGS) settings: AuthSettings,
    @Optional() @Inject(CLOCK) clock?: Clock,
    @Optional() @Inject(WORKER_ROLE) role?: WorkerRole,
  ) {
    // Each of several workers has its part: an address that tries keys comes to all of them.
    const maxFailuresPerMinute = Math.ceil(settings.maxFailuresPerMinute / (role?.count ?? 1));
    this.clock = clock ?? systemClock;
    this.addresses = new ClientAddresses(settings.trustedProxies);
    this.isOff = maxFailuresPerMinute === 0;
    this.failures = new TokenBuckets(maxFailuresPerMinute, MAX_ADDRESSES, this.clock);
    this.lookups = new TokenBuckets(maxFailuresPerMinute * LOOKUPS_PER_FAILURE, MAX_ADDRESSES, this.clock);
  }

  /**
   * Call it before stores are asked for a key that nobody remembers. Throws `authentication_rate_limited` where its
   * address asked too often. Returns what to call where the key was not at fault.
   */
  beginLookup(request: IncomingMessage): () => void {
    if (this.isOff) return () => undefined;
    const network = this.networkOf(request);
    if (!this.lookups.take(network)) throw this.refuse(network, this.lookups);
    return () => this.lookups.giveBack(network);
  }

  /** Counts a key that is not valid. Returns the error that holds its address back; null where it has some to go. */
  countFailure(request: IncomingMessage): AegisError | null {
    if (this.isOff) return null;
    const network = this.networkOf(request);
    return this.failures.take(network) ? null : this.refuse(network, this.failures);
  }

  private networkOf({ socket, headers }: IncomingMessage): string {
    const forwardedFor = headers['x-forwarded-for'];
    return networkOf(this.addresses.find(socket.remoteAddress, forwardedFor?.toString()));
  }

  private refuse(network: string, spent: TokenBuckets): AegisError {
    const nowMs = this.clock.monotonicMs();
    if (nowMs >= this.mayLogAtMs) {
      this.mayLogAtMs = nowMs + LOG_PAUSE_MS;
      this.logger.warn(`Too many keys that are not valid come from ${network}: they are answered 429.`);
    }
    return new AegisError(
      'authentication_rate_limited',
      'Too many requests with keys that are not valid came from this address. Check the key, and try again later.',
      { retryAfterMs: spent.waitMs(network) },
    );
  }
}
