import { once, setMaxListeners } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import {
  createServer as createSecureServer,
  Server as SecureServer,
  type ServerOptions as SecureServerOptions,
} from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

type Bytes = string | Buffer;

/** What an upstream does with one request. Every part is optional; `{}` is an empty 200. */
export interface ScriptedAnswer {
  /** Responses before the response: `[103]` sends early hints, `[100]` a continue nobody asked for. */
  readonly interim?: readonly number[];
  /** Waits this long before anything is sent. */
  readonly delayMs?: number;
  /** Waits for this, and then for `delayMs`, before anything is sent. */
  readonly until?: Promise<unknown>;
  /** Instead of an answer: never answer, reset the connection, or close it. */
  readonly refuse?: 'hang' | 'reset' | 'close';
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Written piece by piece, each in its own write; a function makes a new sequence for each request, endless if it likes. */
  readonly body?: Bytes | readonly Bytes[] | (() => Iterable<Bytes> | AsyncIterable<Bytes>);
  /** Cuts the body anew into pieces of this many bytes. */
  readonly sliceBytes?: number;
  /** Waits this long before each piece but the first. */
  readonly pieceDelayMs?: number;
  /** After the body: end properly (default), say nothing more, reset, or close the connection in the middle. */
  readonly ending?: 'complete' | 'stall' | 'reset' | 'cut';
  /** Closes the idle connection this long after the answer, as servers with a short keep-alive do. */
  readonly closeIdleAfterMs?: number;
  /** Bytes sent as they are, in place of everything above but the waits: for answers that are not HTTP. */
  readonly raw?: Bytes;
}

/** Where an upstream listens, and how. */
export interface ListenOptions {
  /** Speaks TLS with this certificate. */
  readonly tls?: SecureServerOptions;
  readonly host?: string;
  readonly port?: number;
}

/** A request as it arrived. */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Name, value, name, value … as sent. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  /** The body parsed. */
  json(): unknown;
  /** Which of the upstream's connections it came on, counted from 1. */
  readonly connection: number;
  readonly receivedAtMs: number;
  /** Settled when the connection closes, with the time it did. */
  readonly closed: Promise<number>;
  /** Body bytes handed to the connection so far. */
  readonly bytesSent: number;
}

/**
 * An HTTP server on the loopback interface that does what it is told, well or badly, and remembers what it was asked.
 *
 * ```ts
 * const upstream = await ScriptableUpstream.start();
 * upstream.script({ status: 529 }, { status: 529 }, completionAnswer('Hello'));
 * // … point a provider's base_url at `upstream.url`, call the gateway …
 * expect(upstream.requests).toHaveLength(3);
 * await upstream.close();
 * ```
 *
 * Each request takes the next answer of the script; the last one repeats. Times are monotonic milliseconds
 * (`performance.now()`).
 */
export class ScriptableUpstream {
  readonly requests: RecordedRequest[] = [];
  /** How many connections were opened to it. */
  connections = 0;
  /** Requests whose answer is still being written or held. */
  open = 0;
  private answers: ScriptedAnswer[] = [{}];
  private choose: ((request: RecordedRequest, index: number) => ScriptedAnswer) | null = null;
  private readonly sockets = new Map<Socket, { readonly number: number; readonly closed: Promise<number> }>();
  private readonly stopping = new AbortController();
  private readonly arrivals: (() => void)[] = [];

  private constructor(private readonly server: Server) {
    // One for each answer that waits.
    setMaxListeners(0, this.stopping.signal);
    server.on(server instanceof SecureServer ? 'secureConnection' : 'connection', (socket: Socket) => {
      socket.on('error', () => undefined);
      const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now())));
      this.sockets.set(socket, { number: ++this.connections, closed });
      void closed.then(() => this.sockets.delete(socket));
    });
    server.on('request', (request, response) => void this.serve(request, response));
  }

  static async start({ tls, host = '127.0.0.1', port = 0 }: ListenOptions = {}): Promise<ScriptableUpstream> {
    const options = { keepAliveTimeout: 0, requestTimeout: 0 };
    const server = tls ? createSecureServer({ ...options, ...tls }) : createServer(options);
    const upstream = new ScriptableUpstream(server);
    server.listen(port, host);
    await once(server, 'listening');
    return upstream;
  }

  /** `http://127.0.0.1:PORT`, or `https://localhost:PORT` for one that speaks TLS; without a path. */
  get url(): string {
    return this.server instanceof SecureServer ? `https://localhost:${this.port}` : `http://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** What the next requests get, in order; the last answer repeats. Replaces what was scripted before. */
  script(...answers: readonly ScriptedAnswer[]): this {
    this.answers = [...answers];
    this.choose = null;
    return this;
  }

  /** Lets a function choose each answer; `index` counts requests from 0 since the last `forget`. */
  answerWith(choose: (request: RecordedRequest, index: number) => ScriptedAnswer): this {
    this.choose = choose;
    return this;
  }

  /** Forgets the recorded requests. */
  forget(): void {
    this.requests.length = 0;
  }

  /** The request with this index, as soon as it has arrived. */
  async request(index = 0): Promise<RecordedRequest> {
    for (;;) {
      const request = this.requests[index];
      if (request) return request;
      await new Promise<void>((resolve) => this.arrivals.push(resolve));
    }
  }

  /** Cuts every connection and stops listening. */
  async close(): Promise<void> {
    this.stopping.abort();
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets.keys()) socket.destroy();
    await closed;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    try {
      for await (const piece of request) pieces.push(piece as Buffer);
    } catch {
      return;
    }
    const record = this.record(request, Buffer.concat(pieces));
    this.open++;
    try {
      await this.play(this.nextAnswer(record), request.socket, response, record);
    } catch {
      // The connection went away, or the test is over: nothing is left to play.
    } finally {
      this.open--;
    }
  }

  private nextAnswer(request: RecordedRequest): ScriptedAnswer {
    if (this.choose) return this.choose(request, this.requests.indexOf(request));
    return (this.answers.length > 1 ? this.answers.shift() : this.answers[0]) ?? {};
  }

  private record(request: IncomingMessage, body: Buffer): RecordedRequest & { bytesSent: number } {
    const connection = this.sockets.get(request.socket);
    const recorded = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      body,
      json: (): unknown => JSON.parse(body.toString('utf8')),
      connection: connection?.number ?? 0,
      receivedAtMs: performance.now(),
      closed: connection?.closed ?? Promise.resolve(performance.now()),
      bytesSent: 0,
    };
    this.requests.push(recorded);
    for (const arrival of this.arrivals.splice(0)) arrival();
    return recorded;
  }

  private async play(
    answer: ScriptedAnswer,
    socket: Socket,
    response: ServerResponse,
    record: { bytesSent: number },
  ): Promise<void> {
    await answer.until;
    if (answer.delayMs) await this.wait(answer.delayMs);
    if (answer.raw !== undefined) {
      socket.end(answer.raw);
      return;
    }
    for (const status of answer.interim ?? []) socket.write(`HTTP/1.1 ${status} Interim\r\n\r\n`);
    if (answer.refuse) {
      refuse(answer.refuse, socket);
      return;
    }
    response.writeHead(answer.status ?? 200, { ...answer.headers });
    response.flushHeaders();
    let first = true;
    for await (const piece of piecesOf(answer)) {
      if (!first && answer.pieceDelayMs) await this.wait(answer.pieceDelayMs);
      first = false;
      if (socket.destroyed) return;
      const drained = response.write(piece);
      record.bytesSent += Buffer.byteLength(piece);
      if (!drained) await drainedOrClosed(response);
    }
    this.conclude(answer, socket, response);
  }

  private conclude(answer: ScriptedAnswer, socket: Socket, response: ServerResponse): void {
    switch (answer.ending ?? 'complete') {
      case 'complete':
        response.end();
        if (answer.closeIdleAfterMs !== undefined) setTimeout(() => socket.end(), answer.closeIdleAfterMs);
        return;
      case 'stall':
        return;
      case 'reset':
        // What was written leaves first; a reset may overtake bytes that are still on their way.
        setTimeout(() => socket.resetAndDestroy(), 20);
        return;
      case 'cut':
        socket.end();
        return;
    }
  }

  private async wait(milliseconds: number): Promise<void> {
    await delay(milliseconds, undefined, { signal: this.stopping.signal });
  }
}

function drainedOrClosed(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

function refuse(how: 'hang' | 'reset' | 'close', socket: Socket): void {
  if (how === 'reset') socket.resetAndDestroy();
  else if (how === 'close') socket.end();
}

async function* piecesOf({ body, sliceBytes }: ScriptedAnswer): AsyncGenerator<Bytes> {
  if (body === undefined) return;
  if (typeof body === 'function') {
    yield* body();
    return;
  }
  const pieces = typeof body === 'string' || Buffer.isBuffer(body) ? [body] : body;
  if (!sliceBytes) {
    yield* pieces;
    return;
  }
  const bytes = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
  for (let from = 0; from < bytes.length; from += sliceBytes) yield bytes.subarray(from, from + sliceBytes);
}

/** A chat completion as OpenAI answers it. */
export function completionAnswer(content: string, model = 'gpt-4o-mini'): ScriptedAnswer {
  return jsonAnswer(200, {
    id: 'chatcmpl-scripted',
    object: 'chat.completion',
    created: 1_700_000_000,
    model,
    choices: [
      { index: 0, message: { role: 'assistant', content, refusal: null }, logprobs: null, finish_reason: 'stop' },
    ],
    usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
  });
}

export function jsonAnswer(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): ScriptedAnswer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}

/** An error as OpenAI answers it. */
export function errorAnswer(
  status: number,
  message = 'scripted failure',
  headers: Readonly<Record<string, string>> = {},
): ScriptedAnswer {
  return jsonAnswer(status, { error: { message, type: 'server_error', param: null, code: null } }, headers);
}

/** A stream as OpenAI sends it: one piece an event, with a usage chunk and `[DONE]`. */
export function streamAnswer(words: readonly string[], model = 'gpt-4o-mini'): ScriptedAnswer {
  return {
    headers: { 'content-type': 'text/event-stream' },
    body: [
      chunkEvent({ role: 'assistant', content: '' }, null, model),
      ...words.map((word) => chunkEvent({ content: word }, null, model)),
      chunkEvent({}, 'stop', model),
      usageEvent(model),
      'data: [DONE]\n\n',
    ],
  };
}

/** A stream that stops after its first word until the gate opens. */
export function gatedStreamAnswer(gate: Promise<unknown>): ScriptedAnswer {
  const { headers = {}, body } = streamAnswer(['a', 'b']);
  const [begin = '', first = '', ...rest] = body as readonly string[];
  async function* write(): AsyncGenerator<Bytes> {
    yield* [begin, first];
    await gate;
    yield* rest;
  }
  return { headers, body: write };
}

/** A stream's first `words`, and then whatever `ending` says in place of its end. */
export function brokenStreamAnswer(
  words: readonly string[],
  ending: 'complete' | 'stall' | 'reset' | 'cut',
): ScriptedAnswer {
  return {
    headers: { 'content-type': 'text/event-stream' },
    body: [chunkEvent({ role: 'assistant', content: '' }), ...words.map((word) => chunkEvent({ content: word }))],
    ending,
  };
}

/** One event of OpenAI's stream. */
export function chunkEvent(delta: object, finishReason: string | null = null, model = 'gpt-4o-mini'): string {
  const choices = [{ index: 0, delta, logprobs: null, finish_reason: finishReason }];
  return eventOf({ id: 'chatcmpl-scripted', object: 'chat.completion.chunk', created: 1_700_000_000, model, choices });
}

function usageEvent(model: string): string {
  const usage = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
  return eventOf({
    id: 'chatcmpl-scripted',
    object: 'chat.completion.chunk',
    created: 1_700_000_000,
    model,
    choices: [],
    usage,
  });
}

function eventOf(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}
