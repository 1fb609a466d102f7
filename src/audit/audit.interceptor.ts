import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Observable } from 'rxjs';
import type { ChatAnswer, StreamAnswer } from '../domain/chat-answer.js';
import { toAegisError } from '../domain/errors.js';
import { withAnswer } from '../domain/one-answer.js';
import type { RequestContext } from '../request-context/request-context.js';
import { RequestAuditor } from './request.auditor.js';

/** Has each decision about a request in the audit before its client gets the last of the answer. */
@Injectable()
export class AuditInterceptor implements NestInterceptor<unknown, unknown> {
  constructor(private readonly auditor: RequestAuditor) {}

  /** Throws `dependency_unavailable` where what is decided could not be recorded. */
  intercept(execution: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { aegis } = execution.switchToHttp().getRequest<FastifyRequest>();
    const obstacle = this.auditor.findObstacle(aegis);
    if (obstacle) throw obstacle;
    this.auditor.begin(aegis);
    return withAnswer(next.handle(), {
      change: (answer: unknown) => (isStream(answer) ? this.watch(answer, aegis) : this.conclude(answer, aegis)),
      failed: (thrown) => void this.auditor.finish(aegis, toAegisError(thrown)),
    });
  }

  private conclude(answer: unknown, context: RequestContext): unknown {
    const obstacle = this.auditor.finish(context, null);
    if (obstacle) throw obstacle;
    return answer;
  }

  private watch(answer: StreamAnswer, context: RequestContext): StreamAnswer {
    const chunks = new Observable<readonly string[]>((subscriber) =>
      answer.chunks.subscribe({
        next: (batch) => subscriber.next(batch),
        error: (thrown: unknown) => {
          this.auditor.finish(context, toAegisError(thrown));
          subscriber.error(thrown);
        },
        complete: () => {
          const obstacle = this.auditor.finish(context, null);
          if (obstacle) subscriber.error(obstacle);
          else subscriber.complete();
        },
      }),
    );
    return { ...answer, chunks };
  }
}

function isStream(answer: unknown): answer is Extract<ChatAnswer, { kind: 'stream' }> {
  return typeof answer === 'object' && answer !== null && 'kind' in answer && answer.kind === 'stream';
}
