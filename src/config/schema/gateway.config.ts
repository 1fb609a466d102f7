/**
 * `gateway.yaml`. Field names are the file's own in camelCase; durations are milliseconds and sizes bytes once
 * loaded, which their names say.
 */
export class ServerConfig {
  host = '0.0.0.0';
  port = 8080;
  bodyLimitBytes = 20 * 1024 * 1024;
  gracefulShutdownMs = 30_000;
  /** How long new requests are still served after SIGTERM, while load balancers take notice. */
  shutdownGraceMs = 0;
  trustedProxies: string[] = [];
  workers = 1;
}

export class DatabaseConfig {
  /** Empty: embedded PostgreSQL (refused in production). */
  url = '';
}

export class RedisConfig {
  /** Empty: in process, one replica. */
  url = '';
}

export class TelemetryConfig {
  metricsHost = '0.0.0.0';
  metricsPort = 9090;
  logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent' = 'info';
  logFormat: 'json' | 'pretty' = 'json';
}

export class AuthConfig {
  /** At least 32 bytes; empty only in embedded development mode, which makes one. */
  pepper = '';
  cacheTtlMs = 10_000;
  cacheMaxEntries = 10_000;
  redisTtlMs = 300_000;
  negativeTtlMs = 5_000;
  staleGraceMs = 900_000;
}

export class RoutingConfig {
  deadlineMs = 120_000;
  maxAttempts = 4;
  connectTimeoutMs = 5_000;
  firstByteTimeoutMs = 60_000;
  firstContentTimeoutMs = 60_000;
  idleTimeoutMs = 30_000;
  /** Largest upstream JSON answer. */
  maxAnswerBytes = 32 * 1024 * 1024;
  /** Largest single stream event. */
  maxEventBytes = 16 * 1024 * 1024;
}

/** What each rule of the secrets filter does; `rules` overrides by rule id. */
export class SecretsFilterConfig {
  enabled = true;
  action: 'block' | 'redact' | 'flag' = 'block';
}

export class FiltersConfig {
  secrets = new SecretsFilterConfig();
}

export class CostConfig {
  /** What happens to a target without a price: never used, used and marked in the record, or used. */
  onMissingPricing: 'deny' | 'flag' | 'allow' = 'deny';
}

export class GatewayConfig {
  server = new ServerConfig();
  database = new DatabaseConfig();
  redis = new RedisConfig();
  telemetry = new TelemetryConfig();
  auth = new AuthConfig();
  routing = new RoutingConfig();
  cost = new CostConfig();
  filters = new FiltersConfig();
}
