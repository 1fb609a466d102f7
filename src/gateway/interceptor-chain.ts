import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { Injectable } from '@nestjs/common';
import { type Observable, throwError } from 'rxjs';
import { LimitsInterceptor } from '../accounting/limits/limits.interceptor.js';
import { UsageInterceptor } from '../accounting/usage.interceptor.js';
import { AuditInterceptor } from '../audit/audit.interceptor.js';
import { KeyCacheInterceptor } from '../auth/key-cache.interceptor.js';
import { AnswerFilterInterceptor } from '../filter/answer-filter.interceptor.js';
import { SseInterceptor } from './sse.interceptor.js';

/** Of those that Nest allows, one that answers at once. */
interface Link {
  intercept(execution: ExecutionContext, next: CallHandler): Observable<unknown>;
}

/**
 * Several interceptors as one, the first outermost. Nest would put a promise, an async resource and three observables
 * between each two of them, for every request: more than all of them do together.
 */
class InterceptorChain implements NestInterceptor {
  constructor(private readonly links: readonly Link[]) {}

  intercept(execution: ExecutionContext, next: CallHandler): Observable<unknown> {
    return this.enter(0, execution, next);
  }

  private enter(position: number, execution: ExecutionContext, last: CallHandler): Observable<unknown> {
    const link = this.links[position];
    if (!link) return last.handle();
    try {
      return link.intercept(execution, { handle: () => this.enter(position + 1, execution, last) });
    } catch (thrown) {
      // Those outside hear of it where they hear of every failure.
      return throwError(() => thrown);
    }
  }
}

/** Around every route. */
@Injectable()
export class EntryInterceptors extends InterceptorChain {
  constructor(keyCache: KeyCacheInterceptor, limits: LimitsInterceptor) {
    super([keyCache, limits]);
  }
}

/** Around chat completions: who writes the answer is outermost, who filters it is next to its source. */
@Injectable()
export class ChatInterceptors extends InterceptorChain {
  constructor(
    sse: SseInterceptor,
    audit: AuditInterceptor,
    usage: UsageInterceptor,
    answerFilter: AnswerFilterInterceptor,
  ) {
    super([sse, audit, usage, answerFilter]);
  }
}
