import { Cluster, type Redis, type RedisOptions } from 'ioredis';
import { hasStoreTls } from '../config/rules/tls.rules.js';
import { StoreTls } from '../tls/store-tls.js';
import { PatientClient, PatientCluster } from './patient-client.js';
import type { RedisSettings } from './redis-settings.js';

/** One server, or a cluster of them. */
export type RedisClient = Redis | Cluster;

export interface RedisClients {
  readonly client: RedisClient;
  /** For messages: of a cluster, every node hears all of them. */
  readonly bus: Redis;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORT = 6_379;
const LONGEST_RETRY_MS = 2_000;
/** How often a cluster is asked who has what: a replica may have taken a master's place, and nothing else tells of it. */
const TOPOLOGY_INTERVAL_MS = 1_000;
/** What a Redis says that was the master until now: whoever connects anew finds the one that is. */
const NO_MASTER = /^(READONLY|MASTERDOWN) /;

/** Not yet connected. Throws a `TlsFileError` where the files of TLS cannot be used. */
export function buildClients(settings: RedisSettings): RedisClients {
  const { cluster, commandTimeoutMs } = settings;
  const server = readServer(settings);
  if (cluster.nodes.length === 0) {
    const common = { ...optionsOf(settings), ...whereOf(settings, server) };
    const build = (connectionName: string): Redis =>
      keepPassword(new PatientClient({ ...common, connectionName }, commandTimeoutMs), settings);
    return { client: build('aegis'), bus: build('aegis-bus') };
  }
  const seeds = [server, ...cluster.nodes.map(readNode)];
  const common = optionsOf(settings);
  const { retryStrategy: _none, ...ofNode } = common;
  const client = new PatientCluster(
    seeds,
    {
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: pauseBeforeRetry,
      // A request asks the next store instead of waiting for a part of the cluster that is away.
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      slotsRefreshInterval: TOPOLOGY_INTERVAL_MS,
      slotsRefreshTimeout: settings.connectTimeoutMs,
      redisOptions: readPasswordLate({ ...ofNode, connectionName: 'aegis' }, settings),
    },
    commandTimeoutMs,
  );
  const [first] = seeds;
  const bus = keepPassword(
    new PatientClient({ ...common, ...first, connectionName: 'aegis-bus' }, commandTimeoutMs),
    settings,
  );
  // Where the node is away, another hears the same.
  let turn = 0;
  bus.options.retryStrategy = (attempt) => {
    const known = client.nodes('all').flatMap(({ options: { host, port } }) => (host && port ? { host, port } : []));
    const candidates = [...known, ...seeds];
    Object.assign(bus.options, candidates[++turn % candidates.length]);
    return pauseBeforeRetry(attempt);
  };
  return { client, bus };
}

/** Of a cluster: all that have keys. */
export function mastersOf(client: RedisClient): readonly Redis[] {
  return client instanceof Cluster ? client.nodes('master') : [client];
}

function whereOf({ sentinel, connectTimeoutMs }: RedisSettings, server: Address): RedisOptions {
  if (sentinel.master === '') return server;
  return {
    name: sentinel.master,
    sentinels: sentinel.nodes.map(readNode),
    ...(sentinel.username !== '' && { sentinelUsername: sentinel.username }),
    ...(sentinel.password !== '' && { sentinelPassword: sentinel.password }),
    sentinelCommandTimeout: connectTimeoutMs,
    // Without it the driver gives up for good. Its own detector of failovers does so, too, where one comes while it
    // connects: a master that is gone is known by its closed connection, by the probes, or by what it refuses to write.
    sentinelRetryStrategy: pauseBeforeRetry,
    failoverDetector: false,
  };
}

function optionsOf(settings: RedisSettings): RedisOptions {
  const url = new URL(settings.url);
  const isEncrypted = url.protocol === 'rediss:';
  const tls = isEncrypted || hasStoreTls(settings.tls) ? new StoreTls('Redis', settings.tls).asLiveOptions() : null;
  const family = Number(url.searchParams.get('family') ?? 0);
  return {
    lazyConnect: true,
    connectTimeout: settings.connectTimeoutMs,
    // A timer that outlives the connection, and with it a process that has nothing else to do.
    disconnectTimeout: 100,
    keepAlive: 10_000,
    // Nothing queues while Redis is away: a request asks the next store instead.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    retryStrategy: pauseBeforeRetry,
    reconnectOnError: ({ message }) => NO_MASTER.test(message),
    ...(family !== 0 && { family }),
    ...(url.username !== '' && { username: decodeURIComponent(url.username) }),
    db: Number(url.pathname.slice(1) || (url.searchParams.get('db') ?? 0)),
    ...(isEncrypted && tls && { tls, enableTLSForSentinelMode: true }),
    ...(settings.sentinel.tls && tls && { sentinelTLS: tls }),
  };
}

function keepPassword(client: Redis, settings: RedisSettings): Redis {
  readPasswordLate(client.options, settings);
  return client;
}

/** Asked for at each connection, so that a password that was replaced needs no restart. */
function readPasswordLate<T extends object>(options: T, { url, password }: RedisSettings): T {
  const written = decodeURIComponent(new URL(url).password);
  return Object.defineProperty(options, 'password', {
    enumerable: true,
    configurable: true,
    get: () => password() || written || undefined,
  });
}

function readServer({ url }: RedisSettings): Address {
  const { hostname, port } = new URL(url);
  return { host: bare(hostname) || 'localhost', port: Number(port || DEFAULT_PORT) };
}

function readNode(text: string): Address {
  const colon = text.lastIndexOf(':');
  return { host: bare(text.slice(0, colon)), port: Number(text.slice(colon + 1)) };
}

/** An IPv6 address without its brackets. */
function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

function pauseBeforeRetry(attempt: number): number {
  return Math.min(100 * 2 ** Math.min(attempt, 10), LONGEST_RETRY_MS) * (0.5 + Math.random() / 2);
}
