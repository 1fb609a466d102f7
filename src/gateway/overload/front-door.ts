import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { RequestAuditor } from '../../audit/request.auditor.js';
import { AegisError } from '../../domain/errors.js';
import type { ShedReason } from '../../domain/observer.js';
import { RequestRecorder } from '../../telemetry/request.recorder.js';
import { answerAheadOfBody } from '../early-answer.js';
import { chooseRequestId } from '../request-id.js';
import { formatRetryAfter } from '../response-headers.js';
import { Admission, describeShedding } from './admission.js';

/** Whoever asks how the gateway is must hear it above all when it is not well. */
const PROBES = '/aegis/v1/health';
/** A body up to this size is here with its headers, or soon; to read a larger one costs more than a new connection. */
const KEPT_BODY_BYTES = 64 * 1024;

const errorOf = (reason: ShedReason): AegisError => new AegisError('overloaded', describeShedding(reason));
/** Made once: to find out where an error was made costs more than all the rest. Their words are ASCII. */
const ERRORS_BY_REASON: Readonly<Record<ShedReason, AegisError>> = {
  delay: errorOf('delay'),
  in_flight: errorOf('in_flight'),
  bodies: errorOf('bodies'),
};

/**
 * Stands before everything else: a request that is not taken on costs a few microseconds, since no route is looked for
 * and no key. Its connection is kept where it can be: a client that has to connect again costs a busy gateway more.
 */
@Injectable()
export class FrontDoor {
  constructor(
    private readonly admission: Admission,
    private readonly recorder: RequestRecorder,
    private readonly auditor: RequestAuditor,
  ) {}

  /** Puts itself before the listeners that a server has. */
  guard(server: Server): void {
    const listeners = server.listeners('request') as RequestListener[];
    const letIn: RequestListener = (request, response) => {
      for (const listener of listeners) listener.call(server, request, response);
    };
    server.maxConnections = this.admission.maxConnections;
    server.removeAllListeners('request');
    server.on('request', (request, response) => {
      const reason = this.findObstacle(request);
      if (reason === null) letIn(request, response);
      else this.refuse(request, response, reason, isKept(request));
    });
    // Asked before a body is sent, the answer may spare it.
    server.on('checkContinue', (request, response) => {
      const reason = this.findObstacle(request);
      if (reason !== null) {
        this.refuse(request, response, reason, false);
        return;
      }
      response.writeContinue();
      letIn(request, response);
    });
  }

  private findObstacle({ url }: IncomingMessage): ShedReason | null {
    return url?.startsWith(PROBES) ? null : this.admission.findObstacle();
  }

  private refuse(request: IncomingMessage, response: ServerResponse, reason: ShedReason, isKept: boolean): void {
    const requestId = chooseRequestId(request.headers);
    const error = ERRORS_BY_REASON[reason];
    const retryAfter = formatRetryAfter(this.admission.shed(reason));
    const body = JSON.stringify(error.toEnvelope(requestId));
    if (isKept) {
      const headers = {
        'content-type': 'application/json; charset=utf-8',
        'content-length': body.length,
        'retry-after': retryAfter,
        'x-request-id': requestId,
      };
      response.writeHead(error.status, headers).end(body);
    } else {
      const headers = { 'retry-after': retryAfter, 'x-request-id': requestId };
      answerAheadOfBody(request, response, error.status, headers, body);
    }
    this.recorder.recordShed(requestId, request.method ?? '', error);
    this.auditor.refuseStranger(error.code);
  }
}

function isKept({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) <= KEPT_BODY_BYTES;
}
