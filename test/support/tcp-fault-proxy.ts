import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, Socket } from 'node:net';

/** What happens to the bytes of one connection. Every part is optional; `{}` passes everything on. */
export interface Toxic {
  /** Each piece of the answer is passed on this much later. */
  readonly latencyMs?: number;
  /** Passes this many bytes of the answer on; then comes `ending`. Absent: all of them. */
  readonly afterBytes?: number;
  /** The same, and the last byte passed on is the last of this text, wherever it first stands in the answer. */
  readonly afterText?: string;
  /** `cut` closes the connection, `reset` resets it, `stall` says nothing more, `half_close` ends only the answer's side. */
  readonly ending?: 'cut' | 'reset' | 'stall' | 'half_close';
  /** Instead of all this: takes the connection and everything sent over it, and never says a word. */
  readonly swallow?: boolean;
  /** Instead of all this: resets the connection as soon as it is there. */
  readonly refuse?: boolean;
}

/**
 * A TCP proxy on the loopback interface that spoils connections, whatever is spoken over them.
 *
 * ```ts
 * const proxy = await TcpFaultProxy.start(upstream.port);
 * proxy.poison({ afterBytes: 500, ending: 'reset' });
 * // … point a provider's base_url at `proxy.url` …
 * ```
 *
 * A toxic holds for connections made after it was set.
 */
export class TcpFaultProxy {
  /** How many connections were opened to it. */
  connections = 0;
  /** What was sent over swallowed connections, all of it joined. */
  swallowed = Buffer.alloc(0);
  private toxic: Toxic = {};
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly port: number,
    private readonly upstreamPort: number,
  ) {
    server.on('connection', (client: Socket) => this.serve(client));
  }

  static async start(upstreamPort: number): Promise<TcpFaultProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpFaultProxy(server, (server.address() as AddressInfo).port, upstreamPort);
  }

  /** `http://127.0.0.1:PORT`, without a path. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get secureUrl(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  /** Connections that are open on the client's side. */
  get open(): number {
    return this.sockets.size;
  }

  poison(toxic: Toxic): this {
    this.toxic = toxic;
    return this;
  }

  /** Cuts every connection and stops listening. */
  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private serve(client: Socket): void {
    const { toxic } = this;
    this.connections++;
    this.sockets.add(client);
    client.on('error', () => undefined).once('close', () => this.sockets.delete(client));
    if (toxic.refuse) {
      client.resetAndDestroy();
      return;
    }
    if (toxic.swallow) {
      client.on('data', (bytes: Buffer) => {
        this.swallowed = Buffer.concat([this.swallowed, bytes]);
      });
      client.once('end', () => client.end());
      return;
    }
    const upstream = connect({ port: this.upstreamPort, host: '127.0.0.1', noDelay: true });
    upstream.on('error', () => client.destroy()).once('close', () => client.end());
    client.once('close', () => upstream.destroy()).pipe(upstream);
    relay(upstream, client, toxic);
  }
}

/** Passes an answer on the way the toxic says. */
function relay(upstream: Socket, client: Socket, toxic: Toxic): void {
  let passed = Buffer.alloc(0);
  let over = false;
  const pass = (bytes: Buffer): void => {
    if (over || client.destroyed) return;
    const before = passed.length;
    passed = Buffer.concat([passed, bytes]);
    const end = endOf(passed, toxic);
    over = end !== null;
    client.write(end === null ? bytes : passed.subarray(before, end), () => over && conclude(client, toxic));
  };
  upstream.on('data', (bytes: Buffer) => {
    if (toxic.latencyMs) setTimeout(pass, toxic.latencyMs, bytes);
    else pass(bytes);
  });
}

/** How many bytes may pass in all; null where that is not reached yet. */
function endOf(passed: Buffer, { afterBytes, afterText }: Toxic): number | null {
  if (afterBytes !== undefined && passed.length >= afterBytes) return afterBytes;
  const place = afterText === undefined ? -1 : passed.indexOf(afterText);
  return place < 0 || afterText === undefined ? null : place + Buffer.byteLength(afterText);
}

function conclude(client: Socket, { ending = 'cut' }: Toxic): void {
  switch (ending) {
    case 'cut':
      client.end(() => client.destroy());
      return;
    case 'half_close':
      client.end();
      return;
    case 'reset':
      // What was written leaves first; a reset may overtake bytes that are still on their way.
      setTimeout(() => client.resetAndDestroy(), 20);
      return;
    case 'stall':
      return;
    default:
      ending satisfies never;
  }
}
