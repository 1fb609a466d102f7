import type pg from 'pg';
import { readDatabaseAddress } from '../config/database-address.js';
import { hasStoreTls } from '../config/rules/tls.rules.js';
import { StoreTls } from '../tls/store-tls.js';
import type { DatabaseSettings } from './database-settings.js';

/** How each connection to PostgreSQL is made. */
export interface DatabaseAccess {
  /** Says nothing of TLS: `forConnection` does. */
  readonly url: string;
  /** What goes before the URL, as it is when a connection begins. */
  forConnection(): Pick<pg.ClientConfig, 'connectionString' | 'ssl'>;
}

/** Throws a `TlsFileError` where the files of TLS cannot be used. */
export function buildAccess({
  url,
  password,
  tls,
}: Pick<DatabaseSettings, 'url' | 'password' | 'tls'>): DatabaseAccess {
  const address = readDatabaseAddress(url);
  const isEncrypted = address.isEncrypted || hasStoreTls(tls) || isAskedForByEnvironment(url);
  const store = isEncrypted ? new StoreTls('Database', tls) : null;
  return {
    url: address.url,
    forConnection: () => ({
      connectionString: withPassword(address.url, password()),
      ssl: store?.forConnection() ?? false,
    }),
  };
}

/** As the driver would, but never without a proof of who answers. */
function isAskedForByEnvironment(url: string): boolean {
  const { PGSSLMODE = '' } = process.env;
  return !['', 'disable', 'allow'].includes(PGSSLMODE) && !/[?&]ssl/.test(url);
}

function withPassword(text: string, password: string): string {
  if (password === '' || !URL.canParse(text)) return text;
  const url = new URL(text);
  url.password = encodeURIComponent(password);
  return url.toString();
}

/** An address that says all there is. */
export function accessOf(url: string): DatabaseAccess {
  return buildAccess({ url, password: () => '', tls: { caFile: '', certFile: '', keyFile: '', serverName: '' } });
}
