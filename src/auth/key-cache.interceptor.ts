import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { Inject, Injectable, Optional } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';
import type { Clock } from '../domain/clock.js';
import { systemClock } from '../domain/clock.js';
import { CLOCK } from '../domain/observer.js';
import { LastUsedRecorder } from './last-used.recorder.js';
import { TieredKeyStore } from './tiered-key.store.js';

/** What follows from a key's use, off the request's way: Redis learns what the database had to be asked, last use is noted. */
@Injectable()
export class KeyCacheInterceptor implements NestInterceptor {
  private readonly clock: Clock;

  constructor(
    private readonly store: TieredKeyStore,
    private readonly lastUsed: LastUsedRecorder,
    @Optional() @Inject(CLOCK) clock?: Clock,
  ) {
    this.clock = clock ?? systemClock;
  }

  intercept(execution: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { aegis } = execution.switchToHttp().getRequest<FastifyRequest>();
    if (aegis.principal !== null) this.lastUsed.record(aegis.principal.keyId, this.clock.nowMs());
    if (aegis.keyTier === 'database' && aegis.keyHash !== null) void this.store.writeBack(aegis.keyHash);
    return next.handle();
  }
}
