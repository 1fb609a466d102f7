import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { UsageRecorder } from './accounting/usage.recorder.js';
import { AppModule, type AppOptions } from './app.module.js';
import { ApiKeyGuard } from './auth/api-key.guard.js';
import { OpenRequests } from './auth/open-requests.js';
import { loadEnvironment } from './config/config.module.js';
import { findGatewayConfig, getConfigDirectory } from './config/directory.js';
import { SnapshotService } from './config/snapshot.service.js';
import type { Clock } from './domain/clock.js';
import { AegisError } from './domain/errors.js';
import { CLOCK, GATEWAY_OBSERVER, type GatewayObserver } from './domain/observer.js';
import { OpenApiController } from './gateway/openapi.controller.js';
import { buildOpenApiDocument } from './gateway/openapi.js';
import { Admission } from './gateway/overload/admission.js';
import { FrontDoor } from './gateway/overload/front-door.js';
import { installRequestHooks } from './gateway/request.hooks.js';
import { LifecycleService } from './lifecycle/lifecycle.service.js';
import { AegisLogger } from './telemetry/aegis.logger.js';
import { MetricsServer } from './telemetry/metrics.server.js';
import { RequestRecorder } from './telemetry/request.recorder.js';
import { Tracing } from './telemetry/tracing/tracing.service.js';
import { ListenerCertificate } from './tls/listener-certificate.js';
import { endLongConnections } from './workers/connection-turns.js';

/** Time a connection may take to send its request's headers, and its whole request; Node's own are 60 s and 300 s. */
const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 120_000;
/** How often the two are looked at. */
const TIMEOUT_CHECK_MS = 2_000;
/** Longer than any load balancer's idle time in common use, so that it is never us who close under its request. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
const MAX_PATH_PARAMETER_LENGTH = 512;
/**
 * Connections that may wait to be accepted, as far as the system lets them (`net.core.somaxconn`, mostly 4,096). Of a
 * queue that is full each client learns nothing, and tries again after 1, 3 and 7 seconds.
 */
const BACKLOG = 65_535;
/** What it may take to tell a client why its request or its connection is cut. */
const LAST_WORDS_MS = 1_000;

const JSON_TYPE = 'application/json; charset=utf-8';

/** A running gateway: the main listener, the metrics' listener, and the way to end both. */
export interface Gateway {
  readonly app: NestFastifyApplication;
  /** Without a trailing slash, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly metricsUrl: string;
  readonly logger: AegisLogger;
  /**
   * Not ready at once; refuses new requests after the grace; waits for those in flight as long as
   * `server.graceful_shutdown` says; ends the rest with an error; closes everything. `graceMs` instead of
   * `server.shutdown_grace`.
   */
  shutDown(graceMs?: number): Promise<void>;
}

/** Builds and starts a gateway. Throws where its configuration is wrong or a port is taken. */
export async function startGateway(options: AppOptions = {}): Promise<Gateway> {
  const certificate = await openCertificate(options);
  const http = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    // Without a Host header Node would answer by itself, with nothing in it.
    requireHostHeader: false,
  };
  const adapter = new FastifyAdapter({
    routerOptions: { maxParamLength: MAX_PATH_PARAMETER_LENGTH },
    frameworkErrors: answerUnreadablePath,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    ...(certificate ? { https: { ...http, ...certificate.serverOptions } } : { http }),
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
    guard: app.get(ApiKeyGuard, { strict: false }),
    usage: app.get(UsageRecorder, { strict: false }),
    openRequests: app.get(OpenRequests, { strict: false }),
    tracing: app.get(Tracing),
    admission: app.get(Admission),
  });

  try {
    const { host, port } = snapshots.current.gateway.server;
    await app.init();
    app.get(OpenApiController).publish(buildOpenApiDocument(app));
    const server = app.getHttpServer();
    // Node drops what is past the first 2,000 headers without a word: a classification, say. Their size is limited.
    server.maxHeadersCount = 0;
    server.on('checkExpectation', answerExpectation);
    server.on('connect', answerConnect);
    app.get(FrontDoor).guard(server);
    certificate?.guard(server as unknown as HttpsServer, app.get<GatewayObserver>(GATEWAY_OBSERVER));
    if (options.role?.primary) endLongConnections(server);
    await app.listen({ port, host, backlog: BACKLOG });
  } catch (problem) {
    certificate?.close();
    await app.close();
    throw problem;
  }

  let stopping: Promise<void> | undefined;
  const shutDown = async (graceMs?: number): Promise<void> => {
    const { gracefulShutdownMs, shutdownGraceMs } = snapshots.current.gateway.server;
    const server = app.getHttpServer();
    lifecycle.enter('draining');
    // A client that keeps its connections would stay here until it is refused, whatever a balancer of connections knows.
    server.prependListener('request', (_request, response) => {
      response.shouldKeepAlive = false;
    });
    await new Promise((resolve) => setTimeout(resolve, graceMs ?? shutdownGraceMs));
    lifecycle.enter('refusing');
    server.closeIdleConnections();
    if (!(await lifecycle.whenIdle(gracefulShutdownMs))) {
      logger.pino.warn({ inFlight: lifecycle.inFlight }, 'graceful shutdown took too long; ending what is in flight');
      lifecycle.enter('cutting');
      await lifecycle.whenIdle(LAST_WORDS_MS);
    }
    // Closing waits for connections; one that never sends its request would keep the process for as long as it likes.
    const cutLeftovers = setTimeout(() => {
      server.closeAllConnections();
      certificate?.cutAll();
    }, LAST_WORDS_MS);
    await app.close();
    certificate?.close();
    clearTimeout(cutLeftovers);
  };
  return {
    app,
    // Nest takes every server for one of plain HTTP.
    url: (await app.getUrl()).replace(/^http:/, certificate ? 'https:' : 'http:'),
    metricsUrl: await app.get(MetricsServer).url(),
    logger,
    shutDown: (graceMs) => (stopping ??= shutDown(graceMs)),
  };
}

/** The server is made before Nest reads the configuration. Where that is wrong as a whole, Nest says so. */
async function openCertificate({ configDirectory, environment }: AppOptions): Promise<ListenerCertificate | null> {
  if (environment === undefined) await loadEnvironment();
  const variables = environment ?? process.env;
  const gateway = await findGatewayConfig(configDirectory ?? getConfigDirectory(variables), variables);
  return gateway && ListenerCertificate.open(gateway.server.tls);
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

/** `Expect:` anything but `100-continue`. */
function answerExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const requestId = randomUUID();
  const error = new AegisError('invalid_request', 'This gateway does not meet the expectation of the Expect header.', {
    param: 'Expect',
  });
  const body = JSON.stringify(error.toEnvelope(requestId));
  const headers = { 'content-type': JSON_TYPE, 'content-length': Buffer.byteLength(body), 'x-request-id': requestId };
  response.writeHead(417, { ...headers, connection: 'close' }).end(body);
}

/** A server's connection; Node keeps the answer that is being written on it there. */
type AnsweringSocket = Socket & { readonly _httpMessage?: ServerResponse | null };

/** Connections that are about to get such an answer, after those that are due. */
const concluding = new WeakSet<Socket>();

/** What is not HTTP at all, or too slow to be any, never becomes a request: the answer goes straight to the socket. */
function answerClientError(problem: Error & { code?: string }, socket: AnsweringSocket): void {
  if (concluding.has(socket)) return;
  const answering = socket._httpMessage ?? null;
  // What is written into an answer that is under way would be taken for a part of it.
  const isCut = answering?.headersSent === true && !answering.req.complete;
  // Where nothing was asked yet, a client that opened it beforehand would take it for the answer to what it asks next.
  const isSilent = socket.bytesRead === 0;
  if (!socket.writable || problem.code === 'ECONNRESET' || isCut || isSilent) {
    socket.destroy();
    return;
  }
  const [status, message] = describeClientError(problem.code);
  const error = new AegisError('invalid_request', message);
  // It is the answer due where the request itself has not come to its end, and never will.
  if (answering?.req.complete) sayLastAfter(answering, socket, () => sayLast(socket, status, error));
  else sayLast(socket, status, error);
}

/** Requests before it were sound, and are answered first: a body that is longer than its length says, for one. */
function sayLastAfter(answering: ServerResponse, socket: AnsweringSocket, say: () => void): void {
  concluding.add(socket);
  answering.once('close', () => {
    const next = socket._httpMessage;
    if (next) sayLastAfter(next, socket, say);
    // Otherwise it was the last that the client wanted, or the client is gone.
    else if (socket.writable) say();
  });
}

/** `CONNECT`: there is no tunnel to anywhere; Node would close without a word. */
function answerConnect(_request: IncomingMessage, socket: AnsweringSocket): void {
  const error = new AegisError(
    'method_not_allowed',
    'This gateway opens no tunnels; it answers to GET, HEAD and POST.',
  );
  socket.on('error', () => socket.destroy());
  const say = (): void => sayLast(socket, '405 Method Not Allowed', error, 'allow: GET, HEAD, POST\r\n');
  if (socket._httpMessage) sayLastAfter(socket._httpMessage, socket, say);
  else say();
}

function sayLast(socket: Socket, status: string, error: AegisError, headers = ''): void {
  const requestId = randomUUID();
  const body = JSON.stringify(error.toEnvelope(requestId));
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: ${JSON_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      `x-request-id: ${requestId}\r\n${headers}connection: close\r\n\r\n${body}`,
  );
  // Whoever does not close their side is not waited for.
  setTimeout(() => socket.destroy(), LAST_WORDS_MS).unref();
}

function describeClientError(code: string | undefined): [status: string, message: string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return ['431 Request Header Fields Too Large', 'The request headers are too large.'];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['408 Request Timeout', 'The request took too long to arrive.'];
    default:
      return ['400 Bad Request', 'This is not a valid HTTP request.'];
  }
}
