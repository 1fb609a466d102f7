import { Duration, Section, Switch, Text, TextList, Whole } from './setting.js';
import { StoreTlsConfig } from './tls.config.js';

export class DatabaseConfig {
  /** Empty: embedded PostgreSQL (refused in production). */
  @Text({
    about: 'PostgreSQL; empty starts the embedded one, which production refuses.',
    restart: true,
    secret: true,
    pattern: /^$|^postgres(ql)?:\/\/\S+$/,
    mustBe: 'empty, or a postgres:// address',
  })
  url = '';

  /** Empty: the one of the address. */
  @Text({ about: "Password, as it is; goes before the address's.", secret: true })
  password = '';

  @Section(StoreTlsConfig, { about: 'TLS towards PostgreSQL; any of it turns TLS on.' })
  tls = new StoreTlsConfig();

  @Whole({ about: 'Connections to PostgreSQL that this process keeps at most.', restart: true, min: 2, max: 1_000 })
  poolSize = 10;

  @Duration({ about: 'Until a connection to PostgreSQL is there, or free.', restart: true, minMs: 10, maxMs: 60_000 })
  connectTimeoutMs = 2_000;

  @Duration({
    about: 'Longest a statement may take; the connection it hangs on is then destroyed.',
    restart: true,
    minMs: 10,
    maxMs: 60_000,
  })
  queryTimeoutMs = 2_000;
}

const NODES = {
  pattern: /^(\[[0-9A-Fa-f:]+\]|[^\s:/@]+):\d{1,5}$/,
  mustBe: 'a list of host:port',
} as const;

/** Who says which server is the master at the moment. */
export class RedisSentinelConfig {
  /** Empty: no Sentinel. */
  @Text({ about: 'Name that the Sentinels know the master by; empty: no Sentinel is asked.', restart: true })
  master = '';

  @TextList({ about: 'The Sentinels, as host:port.', restart: true, ...NODES })
  nodes: string[] = [];

  @Text({ about: 'User of the Sentinels; empty: none.', restart: true })
  username = '';

  @Text({ about: 'Password of the Sentinels; empty: none.', restart: true, secret: true })
  password = '';

  @Switch({ about: 'Whether the Sentinels are asked over TLS.', restart: true })
  tls = false;
}

export class RedisClusterConfig {
  /** Empty: no cluster. */
  @TextList({ about: 'Some nodes of a Redis Cluster, as host:port; they tell of the others.', restart: true, ...NODES })
  nodes: string[] = [];
}

/** Its own class: settings are told apart by where they stand. */
export class RedisTlsConfig extends StoreTlsConfig {}

export class RedisConfig {
  /** Empty: in process, one replica. */
  @Text({
    about: 'Redis; empty keeps everything in this process, which is right for one replica only.',
    restart: true,
    secret: true,
    pattern: /^$|^rediss?:\/\/\S+$/,
    mustBe: 'empty, or a redis:// or rediss:// address',
  })
  url = '';

  /** Empty: the one of the address. */
  @Text({ about: "Password, as it is; goes before the address's.", secret: true })
  password = '';

  @Section(RedisTlsConfig, { about: 'TLS towards Redis; needs a rediss:// address.' })
  tls = new RedisTlsConfig();

  @Section(RedisSentinelConfig, { about: 'A master that Redis Sentinel looks after.' })
  sentinel = new RedisSentinelConfig();

  @Section(RedisClusterConfig, { about: 'A Redis Cluster.' })
  cluster = new RedisClusterConfig();
}
