import { constants, createHash } from 'node:crypto';
import type { Server, ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { TLSSocket } from 'node:tls';
import { Logger } from '@nestjs/common';
import type { ListenerTlsConfig } from '../config/schema/tls.config.js';
import { ConfigWatcher, DEFAULT_WATCHER_OPTIONS, type WatcherOptions } from '../config/watcher.js';
import type { GatewayObserver, HandshakeFailure } from '../domain/observer.js';
import { checkPemFiles, type PemFiles, type PemSet, readPemFiles, TlsFileError } from './pem-files.js';

/** What a connection may take until it speaks TLS. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

type Reading = ReturnType<typeof readPemFiles>;

/**
 * The certificate of the main listener. New files are taken up as they come, for the connections that come after; those
 * that are wrong change nothing: the last good ones go on serving.
 */
export class ListenerCertificate {
  private readonly logger = new Logger('Certificate');
  private readonly files: PemFiles;
  private readonly watcher: ConfigWatcher<Reading>;
  private readonly sockets = new Set<Socket>();
  private set: PemSet;
  private fingerprint: string;
  /** Why the files as they are now do not serve; null where they do. */
  private problem: string | null = null;
  private server: Server | null = null;
  private observer: GatewayObserver | null = null;

  /** Null where the listener speaks plain HTTP. Throws a `TlsFileError` where the files cannot serve. */
  static open(config: ListenerTlsConfig, options = DEFAULT_WATCHER_OPTIONS): ListenerCertificate | null {
    return config.certFile === '' ? null : new ListenerCertificate(config, options);
  }

  private constructor(
    private readonly config: ListenerTlsConfig,
    options: WatcherOptions,
  ) {
    const { certFile, keyFile, clientCaFile: caFile } = config;
    this.files = { certFile, keyFile, caFile };
    const reading = readPemFiles(this.files);
    this.set = this.check(reading);
    this.fingerprint = fingerprintOf(reading);
    this.watcher = new ConfigWatcher<Reading>(
      dirname(certFile),
      {
        read: async () => readPemFiles(this.files),
        fingerprint: fingerprintOf,
        // What was wrong may have been so for the moment: a certificate that begins tomorrow.
        known: () => (this.problem === null ? this.fingerprint : ''),
        settled: async (found) => this.handle(found),
      },
      options,
    );
  }

  /** For `https.createServer`. */
  get serverOptions(): ServerOptions {
    const { clientAuth } = this.config;
    return {
      ...this.contextOptions,
      requestCert: clientAuth !== 'none',
      rejectUnauthorized: clientAuth === 'require',
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    };
  }

  /** Keeps a server's certificate up to date, and its failed handshakes short. */
  guard(server: Server, observer: GatewayObserver): void {
    this.server = server;
    this.observer = observer;
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    // Before all others: what is no TLS gets no answer, as none would be read.
    server.prependListener('tlsClientError', (error: Error & { code?: string }, socket: TLSSocket) => {
      observer.handshakeFailed(nameFailure(error, socket));
      socket.destroy();
    });
    this.report();
    this.watcher.start();
  }

  /** Ends what a server does not know of when it closes its connections: those whose handshake has not ended. */
  cutAll(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    this.watcher.close();
  }

  private get contextOptions(): ServerOptions {
    const { cert, key, ca } = this.set;
    const { clientAuth, minVersion } = this.config;
    return {
      cert,
      key,
      ...(ca !== '' && { ca }),
      minVersion,
      // A client of TLS 1.2 could have keys made for ever on one connection. And where clients show certificates, each
      // connection shows one: Node takes a session that is resumed without one for authorized.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (clientAuth === 'none' ? 0 : constants.SSL_OP_NO_TICKET),
    };
  }

  private check(reading: Reading): PemSet {
    return checkPemFiles(this.files, reading, Date.now());
  }

  private handle(reading: Reading): void {
    const before = this.set;
    try {
      const next = this.check(reading);
      this.set = next;
      this.server?.setSecureContext(this.contextOptions);
      this.fingerprint = fingerprintOf(reading);
      if (this.problem !== null || next.cert !== before.cert || next.ca !== before.ca) this.announce(next);
      this.problem = null;
    } catch (thrown) {
      this.set = before;
      const problem = thrown instanceof TlsFileError ? thrown.message : 'TLS cannot be spoken with these files';
      if (problem !== this.problem) this.logger.error(`New certificate refused, the last good one goes on: ${problem}`);
      this.problem = problem;
    }
    this.report();
  }

  private announce({ notAfterMs }: PemSet): void {
    this.logger.log(
      `The certificate of ${this.files.certFile} serves, until ${new Date(notAfterMs ?? 0).toISOString()}`,
    );
  }

  private report(): void {
    this.observer?.certificateServes(this.set.notAfterMs ?? 0, this.problem === null);
  }
}

/** Whether the client of a connection has proven, on this very connection, to be one of those who may come. */
export function hasProvenItself(socket: Socket): boolean {
  return socket instanceof TLSSocket && socket.authorized && !socket.isSessionReused();
}

/** Kept in this process: it covers a key. */
function fingerprintOf(reading: Reading): string {
  return createHash('sha256').update(JSON.stringify(reading)).digest('hex');
}

function nameFailure({ code = '' }: { readonly code?: string }, socket: TLSSocket): HandshakeFailure {
  if (socket.authorizationError) return 'client_certificate';
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'timeout';
  if (code === 'ECONNRESET') return 'closed';
  return CLIENT_CERTIFICATE.test(code) ? 'client_certificate' : 'protocol';
}

/** Of OpenSSL's names for what is wrong with a handshake, those of certificates that clients show. */
const CLIENT_CERTIFICATE = /PEER_DID_NOT_RETURN_A_CERTIFICATE|CERTIFICATE_VERIFY_FAILED|BAD_CERTIFICATE|BAD_SIGNATURE/;
