import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { type Certificate, CertificateAuthority, type CertificateOptions } from './certificates.js';

/** A folder of certificates as Kubernetes mounts one: `tls.crt` and `tls.key` behind a link that is swapped. */
export class TlsFolder {
  readonly folder = mkdtempSync(join(tmpdir(), 'aegis-tls-'));
  readonly authority = new CertificateAuthority();
  readonly clients = new CertificateAuthority();
  readonly certFile = join(this.folder, 'tls.crt');
  readonly keyFile = join(this.folder, 'tls.key');
  readonly caFile = join(this.folder, 'ca.crt');
  readonly clientCaFile = join(this.folder, 'clients.crt');
  private swaps = 0;

  constructor(options: CertificateOptions = {}) {
    this.swap(this.authority.issue(options));
    for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(this.folder, name));
    writeFileSync(this.caFile, this.authority.cert);
    writeFileSync(this.clientCaFile, this.clients.cert);
  }

  /** Another pair, all at once. */
  swap({ cert, key }: Certificate): void {
    const version = `..version-${++this.swaps}`;
    mkdirSync(join(this.folder, version));
    writeFileSync(join(this.folder, version, 'tls.crt'), cert);
    writeFileSync(join(this.folder, version, 'tls.key'), key, { mode: 0o600 });
    symlinkSync(version, join(this.folder, '..next'));
    renameSync(join(this.folder, '..next'), join(this.folder, '..data'));
  }

  /** Writes into the files as they are. */
  write({ cert, key }: Partial<Certificate>): void {
    if (cert !== undefined) writeFileSync(this.certFile, cert);
    if (key !== undefined) writeFileSync(this.keyFile, key);
  }

  /** What a client that these servers know shows, and whom it believes: as `tls` of a store is configured. */
  ownOf(name: string): { caFile: string; certFile: string; keyFile: string; serverName: string } {
    const { cert, key } = this.clients.issue({ names: [name] });
    const own = { caFile: this.caFile, certFile: join(this.folder, 'own.crt'), keyFile: join(this.folder, 'own.key') };
    writeFileSync(own.certFile, cert);
    writeFileSync(own.keyFile, key);
    return { ...own, serverName: '' };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The serial number of the certificate that a server shows now. */
export async function serialOf(url: string, ca: string): Promise<string> {
  const socket = await handshake(url, { ca });
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

/** A connection once both sides speak TLS. Rejects with what came instead. */
export function handshake(url: string, options: ConnectionOptions): Promise<TLSSocket> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), ...options });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed in the handshake')));
    socket.once('secureConnect', () => {
      socket.removeAllListeners('close');
      resolve(socket);
    });
  });
}
