import { connect, type Socket } from 'node:net';

const DEADLINE_MS = 30_000;

/** One answer of a connection. */
export interface WireAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Everything that came over a connection. */
export interface Exchange {
  readonly text: string;
  readonly answers: readonly WireAnswer[];
  /** False where the gateway left the connection open until the test's patience was over. */
  readonly closed: boolean;
}

/** A connection that sends whatever it is told to, HTTP or not. */
export function dial(url: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  return socket;
}

/** Sends bytes as they are and reads until the gateway closes. */
export function exchange(url: string, bytes: string | Buffer, patienceMs = DEADLINE_MS): Promise<Exchange> {
  const socket = dial(url);
  // A header is bytes: what is no ASCII is sent as the test wrote it.
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  return readAll(socket, patienceMs);
}

export function readAll(socket: Socket, patienceMs = DEADLINE_MS): Promise<Exchange> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let closed = true;
    const timer = setTimeout(() => {
      closed = false;
      socket.destroy();
    }, patienceMs);
    socket.on('data', (piece: Buffer) => pieces.push(piece));
    socket.once('close', () => {
      clearTimeout(timer);
      const text = Buffer.concat(pieces).toString('utf8');
      resolve({ text, answers: splitAnswers(Buffer.concat(pieces)), closed });
    });
  });
}

/** Until so many whole answers have come, or the connection is closed. */
export function readAnswers(socket: Socket, count: number): Promise<readonly WireAnswer[]> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const end = (): void => {
      socket.off('data', onData).off('close', end);
      resolve(splitAnswers(bytes));
    };
    const onData = (piece: Buffer): void => {
      bytes = Buffer.concat([bytes, piece]);
      if (splitAnswers(bytes).length >= count) end();
    };
    socket.on('data', onData);
    socket.once('close', end);
  });
}

/** The whole answers in some bytes; each says how long it is. */
function splitAnswers(bytes: Buffer): WireAnswer[] {
  const answers: WireAnswer[] = [];
  let rest = bytes;
  for (;;) {
    const headEnd = rest.indexOf('\r\n\r\n');
    if (headEnd < 0) return answers;
    const [line = '', ...lines] = rest.subarray(0, headEnd).toString('latin1').split('\r\n');
    const headers = new Map(
      lines.map((header) => {
        const colon = header.indexOf(':');
        return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()] as const;
      }),
    );
    const end = headEnd + 4 + Number(headers.get('content-length') ?? 0);
    if (rest.length < end) return answers;
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1] ?? 0);
    answers.push({ status, headers, body: rest.subarray(headEnd + 4, end).toString('utf8') });
    rest = rest.subarray(end);
  }
}

/** The code of an answer in the one envelope; what is not in it fails the test. */
export function codeOf({ body, headers }: WireAnswer): string {
  expect(headers.get('content-type')).toContain('application/json');
  const { error } = JSON.parse(body) as { error: { code: string; message: string; request_id: string } };
  expect({ ...error, request_id: headers.get('x-request-id') }).toEqual(error);
  expect(error.message).not.toBe('');
  return error.code;
}

/** A request as text; `headers` one a line, without the blank line. */
export function requestText(line: string, headers: readonly string[], body = ''): string {
  return `${line}\r\n${headers.map((header) => `${header}\r\n`).join('')}\r\n${body}`;
}
