import { type LookupFunction, Socket } from 'node:net';
import * as tls from 'node:tls';
import { buildConnector } from 'undici';
import type { ProviderConnection } from '../domain/target.js';
import { type Dial, ProxyDial } from './proxy-dial.js';

/** Code of a connection that the upstream reset, in place of the system's. */
export const UPSTREAM_RESET = 'ERR_UPSTREAM_RESET';
const CALL_ABORTED = 'ERR_CALL_ABORTED';

const INTERIM = Buffer.from('HTTP/1.1 100');
const DIGIT_TWO = 0x32;

/** With what `NODE_EXTRA_CA_CERTS` names. Newer than the oldest Node that AEGIS runs on. */
const getCACertificates = (tls as { getCACertificates?: (type: 'default') => readonly string[] }).getCACertificates;

export interface ConnectorOptions {
  /** Name, proxy, connection and TLS handshake together. */
  readonly connectMs: number;
  readonly connection: ProviderConnection;
  readonly lookup: LookupFunction;
}

/**
 * Opens connections to upstreams, through the provider's proxy where it has one. Certificates are always verified.
 * `onDial` sees each connection the moment it is begun.
 */
export function createConnector(
  { connectMs, connection, lookup }: ConnectorOptions,
  onDial: (dial: Dial) => void,
): buildConnector.connector {
  const connect: (...parameters: Parameters<buildConnector.connector>) => unknown = buildConnector({
    timeout: connectMs,
    rejectUnauthorized: true,
    lookup,
    allowH2: false,
    ...secureContextOf(connection),
  });
  const open = (options: buildConnector.Options, callback: buildConnector.Callback): Socket | null => {
    const socket = connect(options, callback);
    if (!(socket instanceof Socket)) return null;
    renameErrors(socket);
    ignoreUnaskedContinue(socket);
    return socket;
  };
  if (connection.proxy !== '') {
    const proxy = new URL(connection.proxy);
    return (options, callback) => onDial(new ProxyDial({ proxy, open, connectMs, options, callback }).start());
  }
  return (options, callback) => {
    const socket = open(options, callback);
    if (socket) onDial(socket);
  };
}

/** Made once for all connections: reading the system's certificates takes milliseconds. */
function secureContextOf({ caCertificates, clientCertificate, clientKey }: ProviderConnection): {
  secureContext?: tls.SecureContext;
} {
  if (caCertificates === '' && clientCertificate === '') return {};
  return {
    secureContext: tls.createSecureContext({
      ...(caCertificates !== '' && {
        ca: [...(getCACertificates?.('default') ?? tls.rootCertificates), caCertificates],
      }),
      ...(clientCertificate !== '' && { cert: clientCertificate, key: clientKey }),
    }),
  };
}

/**
 * Two error codes lead undici 7 astray. Where a paused answer with `connection: close` is reset by its upstream it
 * asserts, and so ends the process. Where a call was aborted it keeps that call's place and dials anew for nobody: a
 * storm of clients that leave would be a storm of handshakes.
 */
function renameErrors(socket: Socket): void {
  socket.prependListener('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNRESET') error.code = UPSTREAM_RESET;
    else if (error.code === 'UND_ERR_INFO' && error.message === 'aborted') error.code = CALL_ABORTED;
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
