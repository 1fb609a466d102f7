import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Observable, Subscription } from 'rxjs';
import type { ChatAnswer, StreamAnswer } from '../domain/chat-answer.js';
import { type AegisError, toAegisError } from '../domain/errors.js';
import { withAnswer } from '../domain/one-answer.js';
import type { RequestContext } from '../request-context/request-context.js';
import { UsageRecorder } from './usage.recorder.js';

/** What is on the wire already as a stream ends badly. */
const STREAM_STATUS = 200;
const LEFT = { status: 499, code: 'client_closed_request' } as const;

/**
 * Accounts for each request before its client gets the last of the answer: a completion before it is sent, a stream
 * before its end. Around the filter of answers: what was used counts, whatever becomes of the answer there.
 */
@Injectable()
export class UsageInterceptor implements NestInterceptor<unknown, unknown> {
  constructor(private readonly recorder: UsageRecorder) {}

  /** Throws `dependency_unavailable` where what would be used could not be recorded. */
  intercept(execution: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { aegis } = execution.switchToHttp().getRequest<FastifyRequest>();
    const obstacle = this.recorder.findObstacle(aegis);
    if (obstacle) throw obstacle;
    this.recorder.begin(aegis);
    return withAnswer(next.handle(), {
      change: (answer: unknown) => (isStream(answer) ? this.watch(answer, aegis) : this.account(answer, aegis)),
      failed: (thrown) => this.fail(toAegisError(thrown), aegis),
    });
  }

  private account(answer: unknown, context: RequestContext): unknown {
    const obstacle = this.recorder.finish(context, { status: 200, code: null });
    if (obstacle) throw obstacle;
    return answer;
  }

  private fail(error: AegisError, context: RequestContext): void {
    this.recorder.finish(context, { status: error.status, code: error.wireCode ?? error.code });
  }

  private watch(answer: StreamAnswer, context: RequestContext): StreamAnswer {
    const chunks = new Observable<readonly string[]>((subscriber) => {
      const source = new Subscription();
      source.add(
        answer.chunks.subscribe({
          next: (batch) => subscriber.next(batch),
          error: (thrown: unknown) => {
            // A filter may have ended the stream: the attempt ends now, and says what it received.
            source.unsubscribe();
            const error = toAegisError(thrown);
            const hasLeft = error.code === LEFT.code;
            this.recorder.finish(
              context,
              hasLeft ? LEFT : { status: STREAM_STATUS, code: error.wireCode ?? error.code },
            );
            subscriber.error(error);
          },
          complete: () => {
            const obstacle = this.recorder.finish(context, { status: STREAM_STATUS, code: null });
            if (obstacle) subscriber.error(obstacle);
            else subscriber.complete();
          },
        }),
      );
      return () => {
        source.unsubscribe();
        this.recorder.finish(context, LEFT);
      };
    });
    return { ...answer, chunks };
  }
}

function isStream(answer: unknown): answer is Extract<ChatAnswer, { kind: 'stream' }> {
  return typeof answer === 'object' && answer !== null && 'kind' in answer && answer.kind === 'stream';
}
