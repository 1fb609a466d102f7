import type { ConnectionOptions } from 'node:tls';
import { Logger } from '@nestjs/common';
import type { StoreTlsConfig } from '../config/schema/tls.config.js';
import { checkPemFiles, type PemSet, readPemFiles } from './pem-files.js';

/**
 * TLS towards a store. The server always has to prove who it is, whatever the environment says. The files are read anew for
 * each connection; while they are wrong, the last good ones are used.
 */
export class StoreTls {
  private readonly logger: Logger;
  private set: PemSet;
  private problem: string | null = null;
  private isCopied = false;

  /** Throws a `TlsFileError` where the files cannot be used. `store`: what logs call it. */
  constructor(
    store: string,
    private readonly config: StoreTlsConfig,
  ) {
    this.logger = new Logger(store);
    this.set = this.read();
  }

  /** For one connection that begins now. */
  forConnection(): ConnectionOptions {
    this.refresh();
    const { cert, key, ca } = this.set;
    const { serverName } = this.config;
    return {
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ...(ca !== '' && { ca }),
      ...(cert !== '' && { cert, key }),
      ...(serverName !== '' && { servername: serverName }),
    };
  }

  /** The same as one object that is up to date whenever a driver copies it, and of one reading then: a pair fits. */
  asLiveOptions(): ConnectionOptions {
    const live = this.forConnection();
    return Object.defineProperties(
      { ...live },
      Object.fromEntries(
        (['ca', 'cert', 'key'] as const)
          .filter((name) => name in live)
          .map((name) => [name, { enumerable: true, configurable: true, get: () => this.forCopy()[name] }]),
      ),
    );
  }

  private forCopy(): PemSet {
    if (!this.isCopied) {
      this.refresh();
      this.isCopied = true;
      queueMicrotask(() => {
        this.isCopied = false;
      });
    }
    return this.set;
  }

  private refresh(): void {
    try {
      this.set = this.read();
      this.problem = null;
    } catch (thrown) {
      const problem = thrown instanceof Error ? thrown.message : String(thrown);
      if (problem !== this.problem) this.logger.error(`TLS goes on with the last good files: ${problem}`);
      this.problem = problem;
    }
  }

  private read(): PemSet {
    return checkPemFiles(this.config, readPemFiles(this.config), Date.now());
  }
}
