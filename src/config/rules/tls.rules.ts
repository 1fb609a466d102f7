import { readDatabaseAddress } from '../database-address.js';
import type { Places } from '../places.js';
import type { Problems } from '../problem.js';
import type { GatewayConfig } from '../schema/gateway.config.js';
import type { StoreTlsConfig } from '../schema/tls.config.js';

export const MIN_TOKEN_BYTES = 16;

type Add = (section: object, field: string, message: string) => void;

/** What TLS, and who may read metrics, mean together. Whether the files themselves are right the start looks at. */
export function checkTls(gateway: GatewayConfig, places: Places, problems: Problems): void {
  const { server, database, redis, telemetry } = gateway;
  const add: Add = (section, field, message) => problems.add(places.of(section, field), message);
  checkListener(server.tls, add);
  if (telemetry.metricsToken !== '' && Buffer.byteLength(telemetry.metricsToken) < MIN_TOKEN_BYTES) {
    add(telemetry, 'metricsToken', `must be at least ${MIN_TOKEN_BYTES} bytes long`);
  }
  checkDatabase(database, add);
  checkRedis(redis, add);
}

export function hasStoreTls({ caFile, certFile, serverName }: StoreTlsConfig): boolean {
  return caFile !== '' || certFile !== '' || serverName !== '';
}

function checkListener(tls: GatewayConfig['server']['tls'], add: Add): void {
  checkPair(tls, add);
  if (tls.certFile === '' && tls.clientAuth !== 'none') add(tls, 'clientAuth', 'is of no use without cert_file');
  else if (tls.clientAuth !== 'none' && tls.clientCaFile === '') {
    add(tls, 'clientAuth', "needs client_ca_file: the authorities that clients' certificates come from");
  } else if (tls.clientAuth === 'none' && tls.clientCaFile !== '') {
    add(tls, 'clientCaFile', 'is of no use while client_auth is none');
  }
}

function checkPair(tls: Pick<StoreTlsConfig, 'certFile' | 'keyFile'>, add: Add): void {
  if (tls.certFile !== '' && tls.keyFile === '') add(tls, 'certFile', 'is of no use without key_file');
  if (tls.keyFile !== '' && tls.certFile === '') add(tls, 'keyFile', 'is of no use without cert_file');
}

function checkDatabase(database: GatewayConfig['database'], add: Add): void {
  const { url, password, tls } = database;
  checkPair(tls, add);
  if (url === '') {
    if (password !== '') add(database, 'password', 'is of no use without url');
    if (hasStoreTls(tls)) add(database, 'tls', 'is of no use without url');
    return;
  }
  const { problem, isEncrypted } = readDatabaseAddress(url);
  if (problem !== null) add(database, 'url', problem);
  else if (hasStoreTls(tls) && !isEncrypted && /[?&]ssl/.test(url)) {
    add(database, 'url', 'turns TLS off, and database.tls is set');
  }
}

function checkRedis(redis: GatewayConfig['redis'], add: Add): void {
  const { url, password, tls, sentinel, cluster } = redis;
  checkPair(tls, add);
  if (url === '') {
    const field = ['password', 'tls', 'sentinel', 'cluster'].find((_, index) =>
      [password !== '', hasStoreTls(tls), sentinel.master !== '', cluster.nodes.length > 0].at(index),
    );
    if (field !== undefined) add(redis, field, 'is of no use without url');
    return;
  }
  if (hasStoreTls(tls) && !url.startsWith('rediss://') && !sentinel.tls) {
    add(redis, 'tls', 'is of no use with a redis:// address: write rediss://');
  }
  if (sentinel.master !== '' && sentinel.nodes.length === 0) add(sentinel, 'nodes', 'must name at least one Sentinel');
  if (sentinel.master === '' && sentinel.nodes.length > 0) add(sentinel, 'master', 'must be set where nodes are');
  if (cluster.nodes.length === 0) return;
  if (sentinel.master !== '') add(redis, 'cluster', 'and redis.sentinel exclude each other');
  if (URL.canParse(url) && !/^\/?0?$/.test(new URL(url).pathname)) {
    add(redis, 'url', 'names a database, and a cluster has but one: leave it out');
  }
}
