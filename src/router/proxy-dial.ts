import { type IncomingMessage, request } from 'node:http';
import { isIPv6, type Socket } from 'node:net';
import { type buildConnector, errors } from 'undici';

/** A connection being made; `destroy` ends that, and tells whoever waits for it. */
export interface Dial {
  destroy(error: Error): void;
}

export interface ProxyDialOptions {
  readonly proxy: URL;
  /** Opens a connection, or brings TLS to the one in `httpSocket`. Null where it failed at once. */
  readonly open: (options: buildConnector.Options, callback: buildConnector.Callback) => Socket | null;
  /** For all of it: the proxy's name, its connection, the tunnel, the upstream's TLS handshake. */
  readonly connectMs: number;
  /** Of the upstream. */
  readonly options: buildConnector.Options;
  readonly callback: buildConnector.Callback;
}

/**
 * A connection to an upstream through a tunnel that a proxy is asked for (CONNECT). The proxy learns the upstream's
 * name and port; of an `https://` upstream it sees nothing else.
 */
export class ProxyDial implements Dial {
  private readonly sockets: Socket[] = [];
  private timer: NodeJS.Timeout | undefined;
  private over = false;

  constructor(private readonly parts: ProxyDialOptions) {}

  start(): this {
    const { proxy, connectMs } = this.parts;
    this.timer = setTimeout(() => this.destroy(new errors.ConnectTimeoutError()), connectMs);
    const { hostname, host, protocol, port } = proxy;
    this.open({ hostname: hostname.replace(/^\[|\]$/g, ''), host, protocol, port }, 'could not be reached', (socket) =>
      this.askForTunnel(socket),
    );
    return this;
  }

  destroy(error: Error): void {
    if (this.over) return;
    this.finish();
    for (const socket of this.sockets) socket.destroy(error);
    // As a socket would: never before whoever ended it is done.
    process.nextTick(this.parts.callback, error, null);
  }

  private askForTunnel(socket: Socket): void {
    const { options, proxy } = this.parts;
    const host = isIPv6(options.hostname) ? `[${options.hostname}]` : options.hostname;
    const authority = `${host}:${options.port || (options.protocol === 'https:' ? 443 : 80)}`;
    const asked = request({
      method: 'CONNECT',
      path: authority,
      headers: { host: authority, ...authorizationOf(proxy) },
      createConnection: () => socket,
    });
    asked.once('connect', (response, _socket, early) => this.takeAnswer(response, socket, early));
    asked.on('error', (error) => this.fail('gave no answer', error));
    asked.end();
  }

  private takeAnswer({ statusCode }: IncomingMessage, socket: Socket, early: Buffer): void {
    if (this.over) return;
    if (statusCode === undefined || statusCode < 200 || statusCode > 299) {
      this.fail(`refused the connection with status ${statusCode}`);
      return;
    }
    if (early.length > 0) socket.unshift(early);
    if (this.parts.options.protocol === 'https:') {
      this.open({ ...this.parts.options, httpSocket: socket }, null, (secure) => this.handOver(secure));
    } else {
      this.handOver(socket);
    }
  }

  private handOver(socket: Socket): void {
    this.finish();
    this.parts.callback(null, socket);
  }

  /** Opens; a failure is the proxy's, in the words of `fault`, or where that is null the upstream's. */
  private open(options: buildConnector.Options, fault: string | null, use: (socket: Socket) => void): void {
    const socket = this.parts.open(options, (...[error, opened]) => {
      if (this.over) return;
      if (!error) use(opened as Socket);
      else if (fault === null || error instanceof errors.ConnectTimeoutError) this.destroy(error);
      else this.fail(fault, error);
    });
    if (socket) this.sockets.push(socket);
  }

  /** The proxy's address is for the log; its user name and password are for nobody. */
  private fail(what: string, cause?: Error): void {
    this.destroy(new Error(`The proxy at ${this.parts.proxy.host} ${what}.`, cause && { cause }));
  }

  private finish(): void {
    this.over = true;
    clearTimeout(this.timer);
  }
}

function authorizationOf({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const words = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(words).toString('base64')}` };
}
