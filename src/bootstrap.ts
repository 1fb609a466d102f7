import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppModule, type AppOptions } from './app.module.js';
import { SnapshotService } from './config/snapshot.service.js';
import type { Clock } from './domain/clock.js';
import { AegisError } from './domain/errors.js';
import { CLOCK } from './domain/observer.js';
import { OpenApiController } from './gateway/openapi.controller.js';
import { buildOpenApiDocument } from './gateway/openapi.js';
import { installRequestHooks } from './gateway/request.hooks.js';
import { LifecycleService } from './lifecycle/lifecycle.service.js';
import { AegisLogger } from './telemetry/aegis.logger.js';
import { MetricsServer } from './telemetry/metrics.server.js';
import { RequestRecorder } from './telemetry/request.recorder.js';

/** Time a connection may take to send its request's headers, and its whole request; Node's own are 60 s and 300 s. */
const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 120_000;
/** Longer than any load balancer's idle time in common use, so that it is never us who close under its request. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
const MAX_PATH_PARAMETER_LENGTH = 512;
/** What a request that is cut at shutdown has to tell its client so. */
const LAST_WORDS_MS = 1_000;

/** A running gateway: the main listener, the metrics' listener, and the way to end both. */
export interface Gateway {
  readonly app: NestFastifyApplication;
  /** Without a trailing slash, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly metricsUrl: string;
  readonly logger: AegisLogger;
  /**
   * Not ready at once; refuses new requests after the grace; waits for those in flight as long as
   * `server.graceful_shutdown` says; ends the rest with an error; closes everything.
   */
  shutDown(): Promise<void>;
}

/** Builds and starts a gateway. Throws where its configuration is wrong or a port is taken. */
export async function startGateway(options: AppOptions = {}): Promise<Gateway> {
  const adapter = new FastifyAdapter({
    routerOptions: { maxParamLength: MAX_PATH_PARAMETER_LENGTH },
    frameworkErrors: answerUnreadablePath,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS },
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: answerClientError,
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.forRoot(options), adapter, {
    // Held back until the configuration says how to log. Where it never does, who called gets the error, and says so once.
    logger: new AegisLogger({ level: 'silent', format: 'json' }),
    bufferLogs: true,
    abortOnError: false,
    bodyParser: false,
  });
  const logger = app.get(AegisLogger);
  app.useLogger(logger);
  app.flushLogs();
  const snapshots = app.get(SnapshotService);
  const lifecycle = app.get(LifecycleService);
  installRequestHooks(app.getHttpAdapter().getInstance(), {
    snapshots,
    lifecycle,
    recorder: app.get(RequestRecorder),
    clock: app.get<Clock>(CLOCK),
  });

  try {
    const { host, port } = snapshots.current.gateway.server;
    await app.init();
    app.get(OpenApiController).publish(buildOpenApiDocument(app));
    await app.listen(port, host);
  } catch (problem) {
    await app.close();
    throw problem;
  }

  let stopping: Promise<void> | undefined;
  const shutDown = async (): Promise<void> => {
    const { gracefulShutdownMs, shutdownGraceMs } = snapshots.current.gateway.server;
    lifecycle.enter('draining');
    await new Promise((resolve) => setTimeout(resolve, shutdownGraceMs));
    lifecycle.enter('refusing');
    if (!(await lifecycle.whenIdle(gracefulShutdownMs))) {
      logger.pino.warn({ inFlight: lifecycle.inFlight }, 'graceful shutdown took too long; ending what is in flight');
      lifecycle.enter('cutting');
      await lifecycle.whenIdle(LAST_WORDS_MS);
      app.getHttpServer().closeAllConnections();
    }
    await app.close();
  };
  return {
    app,
    url: await app.getUrl(),
    metricsUrl: await app.get(MetricsServer).url(),
    logger,
    shutDown: () => (stopping ??= shutDown()),
  };
}

/** A path that is no valid percent-encoding, or longer than any: no route, no hook, hence no context to take an id from. */
function answerUnreadablePath(_problem: Error, _request: FastifyRequest, reply: FastifyReply): void {
  const requestId = randomUUID();
  const error = new AegisError(
    'invalid_request',
    'The path cannot be read: check its percent-encoding and its length.',
  );
  void reply.status(error.status).header('x-request-id', requestId).send(error.toEnvelope(requestId));
}

/** What is not HTTP at all, or too slow to be any, never becomes a request: the answer goes straight to the socket. */
function answerClientError(problem: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || problem.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const tooLarge = problem.code === 'HPE_HEADER_OVERFLOW';
  const error = new AegisError(
    'invalid_request',
    tooLarge ? 'The request headers are too large.' : 'This is not a valid HTTP request.',
  );
  const body = JSON.stringify(error.toEnvelope(randomUUID()));
  socket.end(
    `HTTP/1.1 ${tooLarge ? '431 Request Header Fields Too Large' : '400 Bad Request'}\r\n` +
      `content-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
