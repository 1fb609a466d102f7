import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** An answer to play, in pieces that reach the client's parser one by one. */
export interface Replay {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly pieces: readonly Buffer[];
  /** After the last piece: the end of the body as HTTP has it, or a reset connection. */
  readonly ending: 'complete' | 'reset';
}

/** What the message of a request says to get this replay. */
export type ReplayToken = `replay-${number}`;

/** Headers that speak of one transport of a body, and not of the body. */
const OF_THE_TRANSPORT: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'keep-alive',
  'transfer-encoding',
]);

/** What was written leaves first; a reset may overtake bytes that are still on their way. */
const RESET_AFTER_MS = 10;

/**
 * An HTTP server on the loopback interface that plays recorded answers, many at a time: a request says in its text
 * which one it wants. Each piece is a chunk of its own in HTTP's chunked framing, which a client takes apart again, so
 * that single bytes cost one write and not one each.
 */
export class ReplayUpstream {
  private readonly replays = new Map<string, Replay>();
  private readonly sockets = new Set<Socket>();
  private count = 0;

  private constructor(private readonly server: Server) {
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.sockets.delete(socket));
    });
    server.on('request', (request) => void this.serve(request));
  }

  static async start(): Promise<ReplayUpstream> {
    const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0 });
    const upstream = new ReplayUpstream(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return upstream;
  }

  /** `http://127.0.0.1:PORT`, without a path. */
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Keeps a replay for as long as `use` runs. */
  async during<T>(replay: Replay, use: (token: ReplayToken) => Promise<T>): Promise<T> {
    const token: ReplayToken = `replay-${++this.count}`;
    this.replays.set(token, replay);
    try {
      return await use(token);
    } finally {
      this.replays.delete(token);
    }
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private async serve(request: IncomingMessage): Promise<void> {
    const { socket } = request;
    let body = '';
    try {
      for await (const piece of request) body += String(piece);
    } catch {
      return;
    }
    const replay = this.replays.get(/replay-\d+/.exec(body)?.[0] ?? '');
    if (!replay) {
      socket.end('HTTP/1.1 418 No Such Replay\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    const bytes = Buffer.concat([head(replay), ...replay.pieces.flatMap(frame)]);
    if (replay.ending === 'complete') {
      socket.end(Buffer.concat([bytes, Buffer.from('0\r\n\r\n')]));
    } else {
      socket.write(bytes, () => setTimeout(() => socket.resetAndDestroy(), RESET_AFTER_MS));
    }
  }
}

function head({ status, headers }: Replay): Buffer {
  const lines = Object.entries(headers)
    .filter(([name]) => !OF_THE_TRANSPORT.has(name.toLowerCase()))
    .map(([name, value]) => `${name}: ${String(value).replace(/[\r\n]+/g, ' ')}\r\n`);
  const own = 'connection: close\r\ntransfer-encoding: chunked\r\n';
  return Buffer.from(`HTTP/1.1 ${status} Recorded\r\n${lines.join('')}${own}\r\n`, 'latin1');
}

const END_OF_LINE = Buffer.from('\r\n');

function frame(piece: Buffer): Buffer[] {
  if (piece.length === 0) return [];
  return [Buffer.from(`${piece.length.toString(16)}\r\n`), piece, END_OF_LINE];
}

/** The bytes, cut at these places. */
export function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const borders = [0, ...[...places].sort((first, second) => first - second), bytes.length];
  return borders.slice(1).map((end, position) => bytes.subarray(borders[position], end));
}

/** The bytes one by one. */
export function singleBytes(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (_byte, position) => bytes.subarray(position, position + 1));
}
