import { Socket } from 'node:net';
import { buildConnector } from 'undici';
import { createLookup } from './address-lookup.js';

/** Code of a connection that the upstream reset, in place of the system's. */
export const UPSTREAM_RESET = 'ERR_UPSTREAM_RESET';

const INTERIM = Buffer.from('HTTP/1.1 100');
const DIGIT_TWO = 0x32;

const lookup = createLookup();

/**
 * Opens connections to upstreams: certificates are always verified, names resolved once for all who wait.
 * `onDial` sees each socket the moment it is made, before it is connected.
 */
export function createConnector(connectTimeoutMs: number, onDial: (socket: Socket) => void): buildConnector.connector {
  const connect = buildConnector({ timeout: connectTimeoutMs, rejectUnauthorized: true, lookup, allowH2: false });
  return (options, callback) => {
    const socket: unknown = connect(options, callback);
    if (!(socket instanceof Socket)) return;
    renameReset(socket);
    ignoreUnaskedContinue(socket);
    onDial(socket);
  };
}

/**
 * undici 7 asserts, and so ends the process, where a paused answer with `connection: close` is reset by its upstream.
 * It takes that path for this one error code.
 */
function renameReset(socket: Socket): void {
  socket.prependListener('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNRESET') error.code = UPSTREAM_RESET;
  });
}

/**
 * A server may send `100 Continue` unasked and a client has to ignore it (RFC 9110 §15.2); undici 7 drops the
 * connection. It ignores `102`, so the first bytes after a request that say 100 are made to say 102.
 */
function ignoreUnaskedContinue(socket: Socket): void {
  let answerBegins = false;
  const write = socket.write.bind(socket);
  const read = socket.read.bind(socket);
  socket.write = ((...parameters: Parameters<typeof write>) => {
    answerBegins = true;
    return write(...parameters);
  }) as typeof socket.write;
  socket.read = (size?: number): unknown => {
    const bytes: unknown = read(size);
    if (answerBegins && Buffer.isBuffer(bytes)) {
      answerBegins = false;
      if (bytes.subarray(0, INTERIM.length).equals(INTERIM)) bytes[INTERIM.length - 1] = DIGIT_TWO;
    }
    return bytes;
  };
}
