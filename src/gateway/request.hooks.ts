import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { UsageRecorder } from '../accounting/usage.recorder.js';
import type { ApiKeyGuard } from '../auth/api-key.guard.js';
import type { OpenRequests } from '../auth/open-requests.js';
import type { SnapshotService } from '../config/snapshot.service.js';
import { CLASSIFICATIONS, type Classification, findClassification } from '../domain/classification.js';
import type { Clock } from '../domain/clock.js';
import { AegisError, toAegisError } from '../domain/errors.js';
import { parseTraceContext } from '../domain/trace-context.js';
import type { LifecycleService } from '../lifecycle/lifecycle.service.js';
import type { Access } from '../request-context/access.decorator.js';
import { beginContext, type RequestContext } from '../request-context/request-context.js';
import type { RequestRecorder } from '../telemetry/request.recorder.js';
import type { Tracing } from '../telemetry/tracing/tracing.service.js';
import { hasProvenItself } from '../tls/listener-certificate.js';
import { findExplainProblem } from './explain-header.js';
import { parseJsonBody } from './json-body.parser.js';
import type { Admission } from './overload/admission.js';
import { chooseRequestId, findPlainName } from './request-id.js';
import { RouteTable } from './route-table.js';
import { whenSocketCloses } from './socket-close.js';

const CLIENT_LEFT_STATUS = 499;

export interface HookDependencies {
  readonly snapshots: SnapshotService;
  readonly lifecycle: LifecycleService;
  readonly recorder: RequestRecorder;
  readonly clock: Clock;
  readonly guard: ApiKeyGuard;
  readonly usage: UsageRecorder;
  readonly openRequests: OpenRequests;
  readonly tracing: Tracing;
  readonly admission: Admission;
}

/**
 * What happens before Nest sees a request: it gets its context and id, wrong paths and callers nobody knows are refused
 * before a byte of the body is read, and its end is recorded, whichever way it comes.
 */
export function installRequestHooks(instance: FastifyInstance, dependencies: HookDependencies): void {
  const { snapshots, lifecycle, recorder, clock, guard, openRequests, usage, admission } = dependencies;
  const routes = new RouteTable();
  instance.decorateRequest('aegis');
  instance.addHook('onRoute', (route) => routes.add(route));

  instance.addHook('onRequest', (request, reply, done) => {
    const aborter = new AbortController();
    const access = accessOf(request);
    const context = createContext(request, dependencies, aborter.signal, access === 'key');
    request.aegis = context;
    reply.header('x-request-id', context.requestId);

    recorder.requestStarted();
    const endFlight = access === 'key' ? lifecycle.requestStarted((reason) => aborter.abort(reason)) : null;
    let releaseBody: (() => void) | null = null;
    let endUse: (() => void) | null = null;
    // Node never tells an answer that still waits for its turn on the connection that the connection is gone.
    const forgetSocket = whenSocketCloses(request.raw.socket, () => reply.raw.emit('close'));
    reply.raw.once('close', () => {
      forgetSocket();
      if (!reply.raw.writableFinished) aborter.abort();
      releaseBody?.();
      endUse?.();
      endFlight?.();
      // Only who left before there was anything to answer has not been accounted for by now.
      usage.finish(context, { status: CLIENT_LEFT_STATUS, code: 'client_closed_request' });
      recorder.record(context, {
        route: routeOf(request),
        method: request.method,
        status: reply.raw.headersSent ? reply.raw.statusCode : CLIENT_LEFT_STATUS,
        complete: reply.raw.writableFinished,
        endedAtMs: clock.monotonicMs(),
      });
    });

    if (request.is404) {
      done(wrongPath(request, reply, routes));
      return;
    }
    const refusal = refusalOf(request, access, lifecycle) ?? findCertificateProblem(request, access);
    if (refusal !== null || access !== 'key') {
      done(refusal ?? undefined);
      return;
    }
    guard.authenticate(request).then(
      () => {
        // Nobody would give back what is set aside for a request whose end has come already.
        if (aborter.signal.aborted) {
          done(new AegisError('client_closed_request', 'The client left before its key was checked.'));
          return;
        }
        endUse = openRequests.begin(context, (reason) => aborter.abort(reason));
        const problem = wrongHeader(request);
        releaseBody = problem
          ? null
          : admission.reserveBody(request.headers, context.snapshot.gateway.server.bodyLimitBytes);
        done(problem ?? (releaseBody ? undefined : admission.refuse('bodies')));
      },
      (thrown: unknown) => done(toAegisError(thrown)),
    );
  });

  instance.removeAllContentTypeParsers();
  instance.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit: snapshots.current.gateway.server.bodyLimitBytes },
    (_request, bytes, done) => {
      try {
        done(null, parseJsonBody(bytes as Buffer));
      } catch (problem) {
        done(problem as Error);
      }
    },
  );
}

function routeOf(request: FastifyRequest): string {
  return request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown');
}

function accessOf(request: FastifyRequest): Access | undefined {
  const config: { access?: Access | undefined } & object = request.routeOptions.config;
  return request.is404 ? undefined : config.access;
}

/** What is refused before anybody is asked who calls. */
function refusalOf(
  request: FastifyRequest,
  access: Access | undefined,
  lifecycle: LifecycleService,
): AegisError | null {
  if (request.raw.httpVersion !== '1.1' && request.raw.httpVersion !== '1.0') {
    return new AegisError('invalid_request', 'This gateway speaks HTTP/1.1.');
  }
  // Node takes an empty coding for none; a proxy in front may read another end of the body from it.
  if (request.headers['transfer-encoding'] === '') {
    return new AegisError('invalid_request', 'The Transfer-Encoding header is empty.', { param: 'Transfer-Encoding' });
  }
  if (request.headers.host === undefined && request.raw.httpVersion === '1.1') {
    return new AegisError('invalid_request', 'The Host header is missing.', { param: 'Host' });
  }
  if (access !== 'key') return null;
  if (lifecycle.phase === 'refusing' || lifecycle.phase === 'cutting') {
    return new AegisError('shutting_down', 'This gateway is shutting down. Try again.');
  }
  return null;
}

/** Whoever needs no key needs no certificate either: a cluster's probes can show none. */
function findCertificateProblem({ raw, aegis }: FastifyRequest, access: Access | undefined): AegisError | null {
  if (access !== 'key' || aegis.snapshot.gateway.server.tls.clientAuth !== 'request') return null;
  if (hasProvenItself(raw.socket)) return null;
  const message = 'This gateway wants a client certificate of an authority that it knows.';
  return new AegisError('client_certificate_required', message);
}

function wrongPath(request: FastifyRequest, reply: FastifyReply, routes: RouteTable): AegisError {
  const methods = routes.methodsOf(request.url.split('?', 1)[0] ?? '');
  if (methods.length === 0)
    return new AegisError('not_found', 'There is no such path. See GET /aegis/v1/openapi.json.');
  reply.header('allow', methods.join(', '));
  return new AegisError('method_not_allowed', `This path answers to ${methods.join(', ')}.`);
}

function wrongHeader(request: FastifyRequest): AegisError | null {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    return new AegisError('unsupported_media_type', 'Send the body without a content-encoding.');
  }
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(request.headers['content-type'] ?? '')?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) {
    return new AegisError('unsupported_media_type', 'Send the body as UTF-8.');
  }
  const level = request.headers['x-aegis-classification'];
  if (level !== undefined && findClassification(String(level)) === undefined) {
    const message = `X-Aegis-Classification must be one of ${CLASSIFICATIONS.join(', ')}.`;
    return new AegisError('invalid_request', message, { param: 'X-Aegis-Classification' });
  }
  const project = request.headers['x-aegis-project'];
  if (project !== undefined && findPlainName(project) === null) {
    const message = 'X-Aegis-Project must be 1 to 64 letters, digits, dots, dashes or underscores.';
    return new AegisError('invalid_request', message, { param: 'X-Aegis-Project' });
  }
  return findExplainProblem(request.headers);
}

function createContext(
  request: FastifyRequest,
  { snapshots, clock, tracing }: HookDependencies,
  signal: AbortSignal,
  mayTrace: boolean,
): RequestContext {
  const { headers } = request;
  const traceContext = parseTraceContext(headers.traceparent, headers.tracestate);
  return beginContext({
    requestId: chooseRequestId(headers),
    snapshot: snapshots.current,
    startedAtMs: clock.monotonicMs(),
    signal,
    traceContext,
    // Probes come every few seconds, and what has no route is nobody's work.
    trace: mayTrace ? tracing.startRequest(request.method, routeOf(request), traceContext) : null,
    project: findPlainName(headers['x-aegis-project']),
    requestedLevel: findLevel(headers['x-aegis-classification']),
  });
}

function findLevel(header: string | string[] | undefined): Classification | null {
  return typeof header === 'string' ? (findClassification(header) ?? null) : null;
}
