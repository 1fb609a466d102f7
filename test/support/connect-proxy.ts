import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Certificate } from './certificates.js';

/** What a proxy does when it is asked for a tunnel: open it, refuse with a status, say nothing, or go away. */
export type ProxyBehaviour = 'tunnel' | number | 'hang' | 'reset' | 'garbage';

/** An HTTP proxy on the loopback interface that opens tunnels (CONNECT) and nothing else. */
export class ConnectProxy {
  /** What it was asked for, in order. */
  readonly asked: { readonly authority: string; readonly authorization: string | undefined }[] = [];
  /** Connections to it that are open. */
  readonly sockets = new Set<Duplex>();
  behaviour: ProxyBehaviour = 'tunnel';
  private readonly server;

  private constructor(private readonly certificate: Certificate | null) {
    this.server = certificate ? createSecureServer(certificate) : createServer();
    this.server.on(certificate ? 'secureConnection' : 'connection', (socket: Socket) => this.keep(socket));
    this.server.on('connect', (request: IncomingMessage, client: Duplex) => this.answer(request, client));
  }

  static async start(certificate: Certificate | null = null): Promise<ConnectProxy> {
    const proxy = new ConnectProxy(certificate);
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  /** With what stands before the host, such as `user:password@`. */
  url(credentials = ''): string {
    const { port } = this.server.address() as AddressInfo;
    return this.certificate ? `https://${credentials}localhost:${port}` : `http://${credentials}127.0.0.1:${port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private keep(socket: Duplex): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => this.sockets.delete(socket));
  }

  private answer({ url = '', headers }: IncomingMessage, client: Duplex): void {
    this.asked.push({ authority: url, authorization: headers['proxy-authorization'] });
    const { behaviour } = this;
    if (behaviour === 'tunnel') this.openTunnel(url, client);
    else if (behaviour === 'reset') client.destroy();
    else if (behaviour === 'garbage') client.end('SSH-2.0-OpenSSH_9.6\r\n');
    else if (behaviour === 'hang') client.resume().on('end', () => client.destroy());
    else client.end(`HTTP/1.1 ${behaviour} Refused\r\ncontent-length: 7\r\n\r\nrefused`);
  }

  private openTunnel(authority: string, client: Duplex): void {
    const { hostname, port } = new URL(`tunnel://${authority}`);
    const upstream = connect(Number(port), hostname === 'localhost' ? '127.0.0.1' : hostname);
    this.keep(upstream);
    upstream.on('connect', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.pipe(upstream).pipe(client);
    });
    upstream.on('close', () => client.destroy());
    client.on('end', () => upstream.destroy()).on('close', () => upstream.destroy());
  }
}
