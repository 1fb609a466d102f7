import { Inject, Injectable, Logger, type OnApplicationShutdown, Optional } from '@nestjs/common';
import { type buildConnector, Client, type Dispatcher, errors, Pool } from 'undici';
import { type Clock, systemClock } from '../domain/clock.js';
import { CLOCK } from '../domain/observer.js';
import { isLocalAdapter, type ProviderAdapter, type UpstreamRequest } from '../domain/provider-adapter.js';
import type { Provider, ProviderConnection } from '../domain/target.js';
import { createLookup, RESOLVE_ALL, type ResolveAll, resolveAll } from './address-lookup.js';
import { HttpCall } from './http-call.js';
import { LocalCall } from './local-call.js';
import { createConnector } from './upstream.connector.js';
import type { CallLimits, UpstreamCall, UpstreamReader } from './upstream-call.js';

/** How long an idle connection is kept where the upstream does not say. */
const KEEP_ALIVE_MS = 30_000;
/** How long a busy connection is kept: an upstream that moves is followed, however steady the traffic. */
const MAX_CONNECTION_AGE_MS = 300_000;
/** An outage fails every request for the same reason; the log says it this often. */
const WARN_EVERY_MS = 60_000;

/** What is asked of whom, and how it is reached. */
export interface Exchange {
  readonly adapter: ProviderAdapter;
  readonly request: UpstreamRequest;
  readonly connection: ProviderConnection;
  readonly limits: CallLimits;
}

/** Connections that may serve the same calls. */
interface Route {
  readonly connect: buildConnector.connector;
  pool: Pool;
  pooledAtMs: number;
}

/**
 * The only code that dials out. One pool of keep-alive connections an origin and way to reach it; no redirects, no
 * proxies taken from the environment, no HTTP cache. All time limits are kept by `UpstreamCall`, so undici's own are off.
 */
@Injectable()
export class UpstreamClient implements OnApplicationShutdown {
  private readonly logger = new Logger('Upstream');
  private readonly routes = new Map<string, Route>();
  /** The call that is being handed to undici right now: a connection begun meanwhile is its own. */
  private dispatching: HttpCall | null = null;
  private readonly lookup;

  constructor(
    @Optional() @Inject(CLOCK) private readonly clock: Clock = systemClock,
    @Optional() @Inject(RESOLVE_ALL) resolve: ResolveAll = resolveAll,
  ) {
    this.lookup = createLookup(resolve, () => clock.monotonicMs());
  }

  /** Starts a call. The reader may hear of its failure before this returns. Throws where the address is none. */
  send({ adapter, request, connection, limits }: Exchange, reader: UpstreamReader): UpstreamCall {
    if (isLocalAdapter(adapter)) return new LocalCall(adapter.answer(request), limits, reader).start();
    const call: HttpCall = new HttpCall(request, limits, reader, () => this.dialAgain(route, call));
    const route = this.routeTo(call.origin, connection, limits.connectMs);
    return call.start((options) => this.dispatch(this.freshPoolOf(route, call.origin), options, call));
  }

  /** Closes all other connections than those to these providers, each once its call has ended. */
  retain(providers: Iterable<Provider>): void {
    const retained = new Set<string>();
    for (const { baseUrl, connection, timeouts } of providers) {
      if (URL.canParse(baseUrl)) retained.add(keyOf(new URL(baseUrl).origin, connection, timeouts.connectMs));
    }
    for (const [key, { pool }] of this.routes) {
      if (retained.has(key)) continue;
      this.routes.delete(key);
      void pool.close();
    }
  }

  /** Only once the server has answered everything: until then answers are still on their way through. */
  async onApplicationShutdown(): Promise<void> {
    const routes = [...this.routes.values()];
    this.routes.clear();
    await Promise.all(routes.map(({ pool }) => pool.destroy()));
  }

  private dispatch(dispatcher: Dispatcher, options: Dispatcher.DispatchOptions, call: HttpCall): void {
    this.dispatching = call;
    try {
      dispatcher.dispatch(options, call);
    } finally {
      this.dispatching = null;
    }
  }

  private routeTo(origin: string, connection: ProviderConnection, connectMs: number): Route {
    const key = keyOf(origin, connection, connectMs);
    let route = this.routes.get(key);
    if (!route) {
      const { lookup } = this;
      const connector = createConnector({ connectMs, connection, lookup }, (dial) => this.dispatching?.dialed(dial));
      const connect = this.warnOfFailures(origin, connector);
      route = { connect, pool: createPool(origin, connect), pooledAtMs: this.clock.monotonicMs() };
      this.routes.set(key, route);
    }
    return route;
  }

  /** Clients are told no more than that the provider could not be reached; whoever runs AEGIS needs the reason. */
  private warnOfFailures(origin: string, connect: buildConnector.connector): buildConnector.connector {
    let warnedAtMs = Number.NEGATIVE_INFINITY;
    return (options, callback) =>
      connect(options, (...result) => {
        const [error] = result;
        const nowMs = this.clock.monotonicMs();
        if (error && !(error instanceof errors.RequestAbortedError) && nowMs - warnedAtMs >= WARN_EVERY_MS) {
          warnedAtMs = nowMs;
          this.logger.warn(`No connection to ${origin}: ${reasonOf(error)}`);
        }
        callback(...result);
      });
  }

  /** The calls on connections that have been kept for long end undisturbed; new ones get new connections. */
  private freshPoolOf(route: Route, origin: string): Pool {
    const nowMs = this.clock.monotonicMs();
    if (nowMs - route.pooledAtMs > MAX_CONNECTION_AGE_MS) {
      void route.pool.close();
      route.pool = createPool(origin, route.connect);
      route.pooledAtMs = nowMs;
    }
    return route.pool;
  }

  /** On a connection that is certainly new and serves nobody else. */
  private dialAgain({ connect }: Route, call: HttpCall): void {
    const client = new Client(call.origin, clientOptions(connect));
    this.dispatch(client, { ...call.options, reset: true }, call);
    void client.close();
  }
}

function createPool(origin: string, connect: buildConnector.connector): Pool {
  return new Pool(origin, clientOptions(connect));
}

function clientOptions(connect: buildConnector.connector): Client.Options {
  return { connect, headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MS, pipelining: 1 };
}

function reasonOf(error: NodeJS.ErrnoException): string {
  // Where every address of a name was tried there is a code and no message.
  const words = error.message.trim() || (error.code ?? error.name);
  return error.cause instanceof Error ? `${words} ${error.cause.message}` : words;
}

/** Everything that is a connection's and not a request's. */
function keyOf(
  origin: string,
  { proxy, caCertificates, clientCertificate, clientKey }: ProviderConnection,
  connectMs: number,
): string {
  return [origin, connectMs, proxy, caCertificates, clientCertificate, clientKey].join('\n');
}
