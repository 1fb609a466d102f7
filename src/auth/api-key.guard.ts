import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Inject, Injectable, Optional } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import type { Clock } from '../domain/clock.js';
import { systemClock } from '../domain/clock.js';
import { AegisError } from '../domain/errors.js';
import { CLOCK } from '../domain/observer.js';
import type { Access } from '../request-context/access.decorator.js';
import { ACCESS_METADATA } from '../request-context/access.decorator.js';
import { INVALID_KEY_MESSAGE, isWellFormedKey } from './api-key.js';
import { KeyFinder } from './key-finder.js';
import { extractKey } from './key-header.js';
import { statusOf } from './key-status.js';

/** Turns a request's key into its principal. A route that does not say who may call it is closed to all. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  private readonly clock: Clock;

  constructor(
    private readonly reflector: Reflector,
    private readonly finder: KeyFinder,
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
  async authenticate({ headers, aegis }: FastifyRequest): Promise<true> {
    const presented = extractKey(headers);
    if (presented.kind !== 'key' || !isWellFormedKey(presented.key)) throw invalidKey();
    const { key, tier, keyHash } = await this.finder.find(presented.key);
    if (key === null || statusOf(key, this.clock.nowMs()) !== 'active') throw invalidKey();
    aegis.principal = key.principal;
    aegis.keyTier = tier;
    aegis.keyHash = keyHash;
    return true;
  }
}

function invalidKey(): AegisError {
  return new AegisError('invalid_api_key', INVALID_KEY_MESSAGE);
}
