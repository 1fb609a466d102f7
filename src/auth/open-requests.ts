import type { OnApplicationShutdown } from '@nestjs/common';
import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import { ApiKeyRepository } from '../database/api-key.repository.js';
import { DatabaseUnavailableError } from '../database/database.errors.js';
import { admits } from '../domain/classification.js';
import type { Clock } from '../domain/clock.js';
import { systemClock } from '../domain/clock.js';
import { AegisError } from '../domain/errors.js';
import type { StoredKey } from '../domain/key-store.js';
import { CLOCK } from '../domain/observer.js';
import { mayUseModel } from '../domain/principal.js';
import { Roster } from '../domain/roster.js';
import type { RequestContext } from '../request-context/request-context.js';
import { INVALID_KEY_MESSAGE } from './api-key.js';
import { statusOf } from './key-status.js';

interface OpenRequest {
  readonly context: RequestContext;
  readonly cut: (reason: AegisError) => void;
}

/** The requests that one key has open. */
interface KeyInUse {
  readonly keyId: string;
  readonly requests: Roster<OpenRequest>;
  /** Rings when the key expires. */
  timer: NodeJS.Timeout | undefined;
}

/** No timer rings later, and no request lasts that long. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Which requests are open, by the hash of their key: a key that ends, ends what it has begun. Whoever says that a key
 * changed is not believed: the database is asked, and while it is away nothing ends but what has expired.
 */
@Injectable()
export class OpenRequests implements OnApplicationShutdown {
  private readonly logger = new Logger('OpenRequests');
  private readonly clock: Clock;
  private readonly inUse = new Map<string, KeyInUse>();
  /** Keys of which something was said to have changed, and the database was not asked since. */
  private readonly doubtful = new Set<KeyInUse>();
  private isChecking = false;

  constructor(
    private readonly keys: ApiKeyRepository,
    @Optional() @Inject(CLOCK) clock?: Clock,
  ) {
    this.clock = clock ?? systemClock;
  }

  /** An authenticated request goes on. `cut` ends it with an error. Returns what its end has to call, once. */
  begin(context: RequestContext, cut: (reason: AegisError) => void): () => void {
    const { keyHash, principal } = context;
    if (keyHash === null || principal === null) return () => undefined;
    const use = this.inUse.get(keyHash) ?? this.startUse(keyHash, principal.keyId, principal.expiresAtMs);
    const leave = use.requests.enter({ context, cut });
    return () => {
      leave();
      if (use.requests.size > 0 || this.inUse.get(keyHash) !== use) return;
      clearTimeout(use.timer);
      this.inUse.delete(keyHash);
      this.doubtful.delete(use);
    };
  }

  /** Something is said to have changed of these keys. */
  doubt(keyHashes: Iterable<string>): void {
    for (const keyHash of keyHashes) {
      const use = this.inUse.get(keyHash);
      if (use !== undefined) this.doubtful.add(use);
    }
    void this.resolveDoubts();
  }

  /** Of all keys in use, where nobody can say which of them changed. */
  doubtAll(): void {
    this.doubt(this.inUse.keys());
  }

  /** Asks the database about every key in doubt, in one statement; those it cannot be asked about stay in doubt. Never throws. */
  async resolveDoubts(): Promise<void> {
    if (this.isChecking) return;
    this.isChecking = true;
    let asked: KeyInUse[] = [];
    try {
      while (this.doubtful.size > 0) {
        asked = [...this.doubtful];
        this.doubtful.clear();
        const keys = await this.keys.findByIds(asked.map(({ keyId }) => keyId));
        for (const use of asked) this.settle(use, keys.get(use.keyId) ?? null);
      }
    } catch (error) {
      if (!(error instanceof DatabaseUnavailableError)) {
        this.logger.warn(
          `The keys of open requests were not checked: ${error instanceof Error ? error.name : 'unknown'}`,
        );
      }
      for (const use of new Set([...asked, ...this.doubtful])) this.endExpired(use);
    } finally {
      this.isChecking = false;
    }
  }

  onApplicationShutdown(): void {
    for (const { timer } of this.inUse.values()) clearTimeout(timer);
  }

  private startUse(keyHash: string, keyId: string, expiresAtMs: number | null): KeyInUse {
    const use: KeyInUse = { keyId, requests: new Roster(), timer: undefined };
    this.inUse.set(keyHash, use);
    this.awaitExpiry(use, expiresAtMs);
    return use;
  }

  private awaitExpiry(use: KeyInUse, expiresAtMs: number | null): void {
    clearTimeout(use.timer);
    use.timer = undefined;
    const inMs = expiresAtMs === null ? Number.POSITIVE_INFINITY : expiresAtMs - this.clock.nowMs();
    if (inMs > LONGEST_TIMER_MS) return;
    const ring = (): void => {
      // The end may have been put off since.
      this.doubtful.add(use);
      void this.resolveDoubts();
    };
    use.timer = setTimeout(ring, Math.max(inMs, 1));
  }

  private settle(use: KeyInUse, key: StoredKey | null): void {
    for (const request of use.requests.list()) this.judge(request, key);
    if (use.requests.size === 0 || key === null || statusOf(key, this.clock.nowMs()) !== 'active') return;
    this.awaitExpiry(use, key.principal.expiresAtMs);
  }

  /** The database cannot be asked: only the clock can tell. */
  private endExpired(use: KeyInUse): void {
    for (const { context, cut } of use.requests.list()) {
      const { principal } = context;
      if (principal !== null && statusOf({ principal, status: 'active' }, this.clock.nowMs()) !== 'active') {
        cut(endedKey());
      }
    }
    if (use.requests.size > 0) this.doubtful.add(use);
  }

  private judge({ context, cut }: OpenRequest, key: StoredKey | null): void {
    if (key === null || statusOf(key, this.clock.nowMs()) !== 'active') {
      cut(endedKey());
      return;
    }
    const { level, requestedModel } = context;
    const { maxClassification } = key.principal;
    if (level !== null && !admits(maxClassification, level)) {
      const message = `The request is ${level}, and this key may send at most ${maxClassification} since it was changed.`;
      cut(new AegisError('classification_denied', message));
    } else if (requestedModel !== null && !mayUseModel(key.principal, requestedModel)) {
      const message = `This key may not use the model "${requestedModel}" any more.`;
      cut(new AegisError('model_not_allowed', message, { param: 'model' }));
    }
  }
}

function endedKey(): AegisError {
  return new AegisError('invalid_api_key', INVALID_KEY_MESSAGE);
}
