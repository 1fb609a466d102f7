import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { UsageRecorder } from '../accounting/usage.recorder.js';
import { RequestAuditor } from '../audit/request.auditor.js';
import { AegisError, toAegisError } from '../domain/errors.js';
import { noteFailure } from '../request-context/request-context.js';
import { AegisLogger } from '../telemetry/aegis.logger.js';
import { answerAheadOfBody } from './early-answer.js';
import { answerHeaders, errorHeaders } from './response-headers.js';

/** Whatever is thrown anywhere → the error envelope. The one place where an error becomes a response. */
@Injectable()
@Catch()
export class OpenAiErrorFilter implements ExceptionFilter {
  constructor(
    private readonly logger: AegisLogger,
    private readonly usage: UsageRecorder,
    private readonly auditor: RequestAuditor,
  ) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    if (isHealthReport(thrown)) {
      void reply.status(thrown.getStatus()).send(thrown.getResponse());
      return;
    }
    const error = fromFramework(thrown);
    if (error.code === 'internal_error') {
      this.logger.pino.error({ requestId: request.aegis.requestId, error: error.cause ?? error }, 'request failed');
    }
    // Whatever was refused before it came to the interceptors is recorded here.
    this.auditor.finish(request.aegis, error);
    this.usage.finish(request.aegis, { status: error.status, code: error.wireCode ?? error.code });
    answerWithError(request, reply, error);
  }
}

function answerWithError(request: FastifyRequest, reply: FastifyReply, error: AegisError): void {
  const context = request.aegis;
  noteFailure(context, error);
  if (reply.sent || reply.raw.headersSent) {
    reply.raw.destroy();
    return;
  }
  const headers = { ...answerHeaders(context), ...errorHeaders(error) };
  const envelope = error.toEnvelope(context.requestId);
  if (request.raw.complete || !hasBody(request)) {
    void reply.status(error.status).headers(headers).send(envelope);
    return;
  }
  reply.hijack();
  const allHeaders = { ...(reply.getHeaders() as Record<string, string>), ...headers };
  answerAheadOfBody(request.raw, reply.raw, error.status, allHeaders, JSON.stringify(envelope));
}

function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Terminus says "not healthy" by throwing its report. */
function isHealthReport(thrown: unknown): thrown is HttpException {
  if (!(thrown instanceof HttpException)) return false;
  const response = thrown.getResponse();
  return typeof response === 'object' && 'details' in response && 'status' in response;
}

/** Errors of Fastify and Nest, told apart by their documented codes and statuses. */
function fromFramework(thrown: unknown): AegisError {
  if (thrown instanceof AegisError) return thrown;
  const status = statusOf(thrown);
  switch (status) {
    case 400:
      return new AegisError('invalid_request', 'The request could not be read.', { cause: thrown });
    case 404:
      return new AegisError('not_found', 'There is no such path. See GET /aegis/v1/openapi.json.');
    case 413:
      return new AegisError('request_too_large', 'The body is larger than this gateway accepts.');
    case 415:
      return new AegisError('unsupported_media_type', 'Send the body as application/json.');
    default:
      return toAegisError(thrown);
  }
}

function statusOf(thrown: unknown): number | undefined {
  if (thrown instanceof HttpException) return thrown.getStatus();
  if (typeof thrown === 'object' && thrown !== null && 'statusCode' in thrown) return Number(thrown.statusCode);
  return undefined;
}
