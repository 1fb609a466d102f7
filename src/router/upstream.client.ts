import type { Socket } from 'node:net';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Client, type Dispatcher, Pool } from 'undici';
import { isLocalAdapter, type ProviderAdapter, type UpstreamRequest } from '../domain/provider-adapter.js';
import { HttpCall } from './http-call.js';
import { LocalCall } from './local-call.js';
import { createConnector } from './upstream.connector.js';
import type { CallLimits, UpstreamCall, UpstreamReader } from './upstream-call.js';

/** How long an idle connection is kept where the upstream does not say. */
const KEEP_ALIVE_MS = 30_000;

interface Origin {
  readonly origin: string;
  readonly pool: Pool;
}

/**
 * The only code that dials out. One pool of keep-alive connections an origin; no redirects, no proxies taken from the
 * environment, no HTTP cache. All time limits are kept by `UpstreamCall`, so undici's own are off.
 */
@Injectable()
export class UpstreamClient implements OnApplicationShutdown {
  /** By origin and connect limit, which is a pool's and not a request's. */
  private readonly pools = new Map<string, Origin>();
  /** The call that is being handed to undici right now: a socket made meanwhile is its own. */
  private dispatching: HttpCall | null = null;

  /** Starts a call. The reader may hear of its failure before this returns. Throws where the address is none. */
  send(adapter: ProviderAdapter, request: UpstreamRequest, limits: CallLimits, reader: UpstreamReader): UpstreamCall {
    if (isLocalAdapter(adapter)) return new LocalCall(adapter.answer(request), limits, reader).start();
    const call = new HttpCall(request, limits, reader, (fresh) => this.dialAgain(fresh, limits.connectMs));
    return call.start((options) => this.dispatch(this.poolOf(call.origin, limits.connectMs), options, call));
  }

  /** Closes the pools of all other origins once their calls have ended. */
  retainOrigins(origins: ReadonlySet<string>): void {
    for (const [key, { origin, pool }] of this.pools) {
      if (origins.has(origin)) continue;
      this.pools.delete(key);
      void pool.close();
    }
  }

  /** Only once the server has answered everything: until then answers are still on their way through. */
  async onApplicationShutdown(): Promise<void> {
    const pools = [...this.pools.values()];
    this.pools.clear();
    await Promise.all(pools.map(({ pool }) => pool.destroy()));
  }

  private dispatch(dispatcher: Dispatcher, options: Dispatcher.DispatchOptions, call: HttpCall): void {
    this.dispatching = call;
    try {
      dispatcher.dispatch(options, call);
    } finally {
      this.dispatching = null;
    }
  }

  private poolOf(origin: string, connectMs: number): Pool {
    const key = `${origin} ${connectMs}`;
    let known = this.pools.get(key);
    if (!known) {
      known = { origin, pool: new Pool(origin, this.clientOptions(connectMs)) };
      this.pools.set(key, known);
    }
    return known.pool;
  }

  /** On a connection that is certainly new and serves nobody else. */
  private dialAgain(call: HttpCall, connectMs: number): void {
    const client = new Client(call.origin, this.clientOptions(connectMs));
    this.dispatch(client, { ...call.options, reset: true }, call);
    void client.close();
  }

  private clientOptions(connectMs: number): Client.Options {
    return {
      connect: createConnector(connectMs, (socket: Socket) => this.dispatching?.dialed(socket)),
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      pipelining: 1,
    };
  }
}
