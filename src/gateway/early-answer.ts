import type { IncomingMessage, ServerResponse } from 'node:http';

/** How long, and how much of, a body is still read that nobody wants. */
const LINGER_MS = 2_000;
const LINGER_BYTES = 64 * 1024 * 1024;

/**
 * Answers a request whose body is still on its way, then closes. A connection that is closed while the client is
 * sending is reset, and the reset takes the answer with it: so the rest is read and dropped for a moment first.
 */
export function answerAheadOfBody(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): void {
  response.writeHead(status, {
    ...headers,
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  });
  response.write(body);
  let droppedBytes = 0;
  const close = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(close, LINGER_MS);
  response.once('close', () => clearTimeout(timer));
  request.once('end', close);
  request.on('data', (bytes: Buffer) => {
    droppedBytes += bytes.length;
    if (droppedBytes > LINGER_BYTES) close();
  });
  request.resume();
}
