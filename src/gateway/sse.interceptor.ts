import type { ServerResponse } from 'node:http';
import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';
import type { ChatAnswer, CompletionAnswer, StreamAnswer } from '../domain/chat-answer.js';
import { type AegisError, toAegisError } from '../domain/errors.js';
import type { ExplanationAnswer } from '../domain/explanation.js';
import { flat } from '../domain/flat-text.js';
import { withAnswer } from '../domain/one-answer.js';
import { noteFailure, type RequestContext } from '../request-context/request-context.js';
import { RequestRecorder } from '../telemetry/request.recorder.js';
import { answerHeaders } from './response-headers.js';
import { watchForStall } from './stall-guard.js';

/**
 * Writes answers: a completion as JSON, a stream as server-sent events straight to the socket. One write per read of
 * the upstream; while the client is slow the upstream is paused; when it leaves, the upstream call is aborted.
 */
@Injectable()
export class SseInterceptor implements NestInterceptor<ChatAnswer | ExplanationAnswer, undefined> {
  constructor(private readonly recorder: RequestRecorder) {}

  intercept(execution: ExecutionContext, next: CallHandler<ChatAnswer | ExplanationAnswer>): Observable<undefined> {
    const http = execution.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    return withAnswer(next.handle(), { change: (answer) => this.write(request, reply, answer) });
  }

  private write(request: FastifyRequest, reply: FastifyReply, answer: ChatAnswer | ExplanationAnswer): undefined {
    switch (answer.kind) {
      case 'completion':
        return this.sendCompletion(request, reply, answer);
      case 'stream':
        return this.writeStream(request, reply, answer);
      case 'explanation':
        return this.sendExplanation(request, reply, answer);
      default:
        return answer satisfies never;
    }
  }

  /** True at this moment only, so that nobody on the way may keep it. */
  private sendExplanation(request: FastifyRequest, reply: FastifyReply, answer: ExplanationAnswer): undefined {
    cutOnStall(request, reply);
    void reply
      .status(200)
      .headers({ ...answerHeaders(request.aegis), 'cache-control': 'no-store' })
      .send(answer.explanation);
  }

  private sendCompletion(request: FastifyRequest, reply: FastifyReply, answer: CompletionAnswer): undefined {
    cutOnStall(request, reply);
    void reply.status(200).headers(answerHeaders(request.aegis)).send(answer.completion);
  }

  /**
   * The interceptors are done once the stream has begun, and all that Nest holds for them is free: there are thousands of
   * streams. What has to be done at its end waits in the context.
   */
  private writeStream(request: FastifyRequest, reply: FastifyReply, answer: StreamAnswer): undefined {
    const context = request.aegis;
    const socket = reply.raw;
    reply.hijack();
    socket.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      ...answerHeaders(context),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      connection: socket.shouldKeepAlive ? 'keep-alive' : 'close',
      // Proxies in front (nginx and its kin) would otherwise hold events back.
      'x-accel-buffering': 'no',
    });
    makeHeadFlat(socket);
    // Whoever could still ask for it has had it: a prompt may be long, and the answer takes its time.
    request.body = undefined;
    this.recorder.streamOpened();
    cutOnStall(request, reply);
    context.atStreamEnd = [];
    writeEvents(answer, socket, context, () => {
      this.recorder.streamClosed();
      const steps = context.atStreamEnd ?? [];
      context.atStreamEnd = null;
      for (const step of steps) step();
    });
  }
}

/** Node keeps an answer's head, and made it of a hundred pieces. */
function makeHeadFlat(response: ServerResponse & { readonly _header?: unknown }): void {
  if (typeof response._header === 'string') flat(response._header);
}

/** `onClose` is called once, when the connection is done with the answer and nothing more comes of it. */
function writeEvents(answer: StreamAnswer, socket: ServerResponse, context: RequestContext, onClose: () => void): void {
  const { flow } = answer;
  const onDrain = (): void => flow.resume();
  let isBroken = false;
  const fail = (error: AegisError): void => {
    if (isBroken) return;
    isBroken = true;
    noteFailure(context, error);
    // The error event, then a connection cut without the end of the body: nobody can take this for a whole answer.
    socket.write(`data: ${JSON.stringify(error.toEnvelope(context.requestId))}\n\n`, () => socket.destroy());
  };
  const chunks = answer.chunks.subscribe({
    next: (batch) => {
      if (isBroken) return;
      let text = '';
      for (const chunk of batch) text += `data: ${chunk}\n\n`;
      try {
        if (text === '' || socket.write(text)) return;
      } catch (thrown) {
        // RxJS would report it and go on: an answer with a hole that looks whole.
        fail(toAegisError(thrown));
        return;
      }
      flow.pause();
      socket.once('drain', onDrain);
    },
    error: (thrown: unknown) => fail(toAegisError(thrown)),
    complete: () => {
      if (!isBroken) socket.end('data: [DONE]\n\n');
    },
  });
  const close = (): void => {
    chunks.unsubscribe();
    onClose();
  };
  // A client that left just now has closed it already, and that is told only once.
  if (socket.closed) close();
  else socket.once('close', close);
}

function cutOnStall({ aegis }: FastifyRequest, { raw }: FastifyReply): void {
  watchForStall(raw, () => {
    aegis.errorCode = 'client_closed_request';
    aegis.failedWith = 'client_closed_request';
    raw.destroy();
  });
}
