import type { IncomingMessage } from 'node:http';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Inject, Injectable, Optional } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import type { Clock } from '../domain/clock.js';
import { systemClock } from '../domain/clock.js';
import { AegisError } from '../domain/errors.js';
import type { StoredKey } from '../domain/key-store.js';
import { CLOCK } from '../domain/observer.js';
import type { Access } from '../request-context/access.decorator.js';
import { ACCESS_METADATA } from '../request-context/access.decorator.js';
import { INVALID_KEY_MESSAGE, isWellFormedKey } from './api-key.js';
import { type FoundKey, KeyFinder } from './key-finder.js';
import { readKey } from './key-header.js';
import { statusOf } from './key-status.js';
import { KeyThrottle } from './key-throttle.js';

/** Turns a request's key into its principal. A route that does not say who may call it is closed to all. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  private readonly clock: Clock;

  constructor(
    private readonly reflector: Reflector,
    private readonly finder: KeyFinder,
    private readonly throttle: KeyThrottle,
    @Optional() @Inject(CLOCK) clock?: Clock,
  ) {
    this.clock = clock ?? systemClock;
  }

  canActivate(execution: ExecutionContext): boolean | Promise<boolean> {
    const access = this.reflector.getAllAndOverride<Access | undefined>(ACCESS_METADATA, [
      execution.getHandler(),
      execution.getClass(),
    ]);
    switch (access) {
      case 'public':
        return true;
      case 'key':
        return this.admit(execution.switchToHttp().getRequest<FastifyRequest>());
      case undefined:
        throw new AegisError('internal_error', 'This route is closed: it does not declare who may call it.');
      default:
        return access satisfies never;
    }
  }

  private admit(request: FastifyRequest): true | Promise<true> {
    return request.aegis.principal === null ? this.authenticate(request) : true;
  }

  /**
   * Sets the request's principal, or throws `invalid_api_key`, or `dependency_unavailable` where no store can tell. The
   * request's first hook calls it, so that nothing of a stranger's body is read; a request that came another way is
   * authenticated here.
   */
  async authenticate({ raw, aegis }: FastifyRequest): Promise<true> {
    const presented = readKey(raw);
    // Who sends no key guesses none.
    if (presented.kind === 'absent') throw invalidKey();
    const found =
      presented.kind === 'key' && isWellFormedKey(presented.key) ? await this.find(presented.key, raw) : null;
    if (found === null) throw this.throttle.countFailure(raw) ?? invalidKey();
    aegis.principal = found.key.principal;
    aegis.keyTier = found.tier;
    aegis.keyHash = found.keyHash;
    return true;
  }

  /** Null where the key is not valid now. Throws where no store can tell, or its address asked too often. */
  private async find(text: string, request: IncomingMessage): Promise<ActiveKey | null> {
    let forgive: () => void = () => undefined;
    const found = await this.finder
      .find(text, () => {
        forgive = this.throttle.beginLookup(request);
      })
      .catch((thrown: unknown) => {
        forgive();
        throw thrown;
      });
    const { key } = found;
    if (key === null || statusOf(key, this.clock.nowMs()) !== 'active') return null;
    forgive();
    return { ...found, key };
  }
}

type ActiveKey = FoundKey & { readonly key: StoredKey };

function invalidKey(): AegisError {
  return new AegisError('invalid_api_key', INVALID_KEY_MESSAGE);
}
