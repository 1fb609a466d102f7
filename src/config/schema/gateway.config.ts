import { FiltersConfig } from './filters.config.js';
import { OverloadConfig } from './overload.config.js';
import { Choice, Duration, Section, Size, Switch, Text, TextList, Whole, WholeOrAuto } from './setting.js';
import { DatabaseConfig, RedisConfig } from './stores.config.js';
import { ListenerTlsConfig } from './tls.config.js';

const MEBIBYTE = 1024 * 1024;
const MAX_ATTEMPT_MS = 3_600_000;
const MAX_CACHE_MS = 86_400_000;

/**
 * `gateway.yaml`. Field names are the file's own in camelCase; durations are milliseconds and sizes bytes once
 * loaded, which their names say.
 */
export class ServerConfig {
  @Text({
    about: 'Address the gateway listens on.',
    restart: true,
    pattern: /^\S+$/,
    mustBe: 'an address or host name',
  })
  host = '0.0.0.0';

  @Whole({ about: 'Port of the gateway; 0 lets the system choose one.', restart: true, min: 0, max: 65_535 })
  port = 8080;

  @Size({ about: 'Largest request body.', restart: true, minBytes: 1024, maxBytes: 1024 * MEBIBYTE })
  bodyLimitBytes = 20 * MEBIBYTE;

  @Duration({ about: 'How long open requests and streams may finish after SIGTERM.', restart: true, maxMs: 3_600_000 })
  gracefulShutdownMs = 30_000;

  /** How long new requests are still served after SIGTERM, while load balancers take notice. */
  @Duration({ about: 'How long new requests are still served after SIGTERM.', restart: true, maxMs: 3_600_000 })
  shutdownGraceMs = 0;

  @TextList({
    about: 'Addresses or CIDR ranges of the proxies in front, whose X-Forwarded-For is believed.',
    restart: true,
  })
  trustedProxies: string[] = [];

  @WholeOrAuto({
    about: 'Processes that serve requests on the one port; auto: one for each core.',
    restart: true,
    min: 1,
    max: 256,
  })
  workers: number | 'auto' = 1;

  @Section(ListenerTlsConfig, { about: 'TLS towards clients.' })
  tls = new ListenerTlsConfig();

  @Section(OverloadConfig, { about: 'What is taken on at one time; more is answered 503.' })
  overload = new OverloadConfig();
}

export class TelemetryConfig {
  @Text({
    about: 'Address the metrics listener binds to.',
    restart: true,
    pattern: /^\S+$/,
    mustBe: 'an address or host name',
  })
  metricsHost = '0.0.0.0';

  @Whole({ about: 'Port of the metrics listener; 0 lets the system choose one.', restart: true, min: 0, max: 65_535 })
  metricsPort = 9090;

  /** Empty: whoever reaches the listener may read. */
  @Text({ about: 'Bearer token that a scrape must bring; empty: none.', secret: true })
  metricsToken = '';

  @Choice({
    about: 'The least severe log lines that are written.',
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
  })
  logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent' = 'info';

  @Choice({ about: 'One JSON object a line, or text for people.', choices: ['json', 'pretty'] })
  logFormat: 'json' | 'pretty' = 'json';

  /** Empty: as the environment's OTEL_EXPORTER_OTLP_ENDPOINT has it; where that is empty too, no traces are made. */
  @Text({
    about: 'OTLP over HTTP: where traces and metrics are sent; empty: OTEL_EXPORTER_OTLP_ENDPOINT, else nowhere.',
    restart: true,
    secret: true,
    pattern: /^$|^https?:\/\/\S+$/,
    mustBe: 'empty, or an http:// or https:// address',
  })
  otlpEndpoint = '';

  @Whole({
    about: 'Percentage of the requests without a trace of their own that are traced.',
    restart: true,
    min: 0,
    max: 100,
  })
  traceSamplePercent = 100;

  @Switch({ about: "Whether upstreams are told the request's trace (traceparent, tracestate)." })
  propagateTraceContext = true;
}

export class AuthConfig {
  /** At least 32 bytes; empty only in embedded development mode, which makes one. */
  @Text({ about: 'Secret that API keys are hashed with, at least 32 bytes.', restart: true, secret: true })
  pepper = '';

  /** Empty: no pepper is being replaced. */
  @Text({
    about: 'The pepper before: keys hashed with it are still found, and hashed anew.',
    restart: true,
    secret: true,
  })
  previousPepper = '';

  @Duration({ about: 'How long a key found is kept in this process.', restart: true, minMs: 100, maxMs: MAX_CACHE_MS })
  cacheTtlMs = 10_000;

  @Whole({ about: 'Keys kept in this process at most.', restart: true, min: 1, max: 10_000_000 })
  cacheMaxEntries = 10_000;

  @Duration({ about: 'How long a key found is kept in Redis.', restart: true, minMs: 1_000, maxMs: MAX_CACHE_MS })
  redisTtlMs = 300_000;

  @Duration({ about: 'How long "no such key" is remembered.', restart: true, maxMs: 3_600_000 })
  negativeTtlMs = 5_000;

  @Duration({ about: 'How long known keys are served while no store answers.', restart: true, maxMs: MAX_CACHE_MS })
  staleGraceMs = 900_000;

  @Whole({
    about: 'Keys that are not valid which one address may send in a minute; 0: as many as it likes.',
    restart: true,
    min: 0,
    max: 1_000_000,
  })
  maxFailuresPerMinute = 100;
}

export class LimitsConfig {
  @Choice({
    about: 'What limits do while Redis is down: count in this process, refuse, or let through.',
    choices: ['local', 'closed', 'open'],
  })
  onStoreFailure: 'local' | 'closed' | 'open' = 'local';
}

/** When a target that fails is left alone, and for how long. */
export class CircuitBreakerConfig {
  @Switch({ about: 'Whether targets that fail are left alone for a while.' })
  enabled = true;

  @Whole({ about: 'Failures in a row that open the circuit.', min: 1, max: 100_000 })
  consecutiveFailures = 5;

  @Whole({ about: 'Percentage of failures within the window that opens it.', min: 1, max: 100 })
  failurePercent = 50;

  @Whole({ about: 'Requests within the window below which the percentage says nothing.', min: 1, max: 1_000_000 })
  minRequests = 20;

  @Duration({ about: 'How far back the percentage looks.', minMs: 1_000, maxMs: MAX_ATTEMPT_MS })
  windowMs = 30_000;

  @Duration({ about: 'How long it stays open before one request may try; doubles while that one fails.', minMs: 10 })
  openForMs = 5_000;

  @Duration({ about: 'The longest it stays open.', minMs: 10 })
  openForMaxMs = 60_000;
}

export class RoutingConfig {
  @Duration({ about: 'Longest time for a request over all its attempts.', minMs: 100, maxMs: MAX_ATTEMPT_MS })
  deadlineMs = 120_000;

  @Whole({ about: 'Targets tried for one request at most.', min: 1, max: 32 })
  maxAttempts = 4;

  @Duration({ about: 'Until an upstream accepts the connection.', minMs: 10, maxMs: MAX_ATTEMPT_MS })
  connectTimeoutMs = 5_000;

  @Duration({ about: "Until an upstream's response headers.", minMs: 10, maxMs: MAX_ATTEMPT_MS })
  firstByteTimeoutMs = 60_000;

  @Duration({ about: 'Until the first content of a stream.', minMs: 10, maxMs: MAX_ATTEMPT_MS })
  firstContentTimeoutMs = 60_000;

  @Duration({ about: "Between two reads of an upstream's body.", minMs: 10, maxMs: MAX_ATTEMPT_MS })
  idleTimeoutMs = 30_000;

  /** Largest upstream JSON answer. */
  @Size({ about: 'Largest JSON answer of an upstream.', minBytes: 1024, maxBytes: 1024 * MEBIBYTE })
  maxAnswerBytes = 32 * MEBIBYTE;

  /** Largest single stream event. */
  @Size({ about: 'Largest single event of a stream.', minBytes: 1024, maxBytes: 1024 * MEBIBYTE })
  maxEventBytes = 16 * MEBIBYTE;

  @Size({ about: 'Largest stream of an upstream, all its events together.', minBytes: 1024, maxBytes: 1024 * MEBIBYTE })
  maxStreamBytes = 256 * MEBIBYTE;

  @Duration({ about: 'How long a request may wait where every target is at its max_concurrent.', maxMs: 60_000 })
  queueTimeoutMs = 1_000;

  @Duration({ about: 'The longest a target rests because its provider asked for a pause; 0s: not at all.' })
  maxCooldownMs = 60_000;

  @Section(CircuitBreakerConfig, { about: 'When a target that fails is left alone, and for how long.' })
  circuitBreaker = new CircuitBreakerConfig();
}

export class CostConfig {
  /** What happens to a target without a price: never used, used and marked in the record, or used. */
  @Choice({
    about: 'What happens to a target without a price: never used, used and marked, or used.',
    choices: ['deny', 'flag', 'allow'],
  })
  onMissingPricing: 'deny' | 'flag' | 'allow' = 'deny';

  @Duration({
    about: 'How old the price of a target may be before a start and a reload warn of it; 0s: they never do.',
    maxMs: 10 * 365 * 86_400_000,
  })
  warnPriceAgeMs = 180 * 86_400_000;
}

export class AccountingConfig {
  /** Empty: `journal` in the data folder, for development. */
  @Text({
    about: 'Folder of the usage journal; empty: in the data folder, which production refuses.',
    restart: true,
  })
  journalDir = '';

  @Size({
    about: 'As large as the journal may grow while PostgreSQL is away.',
    restart: true,
    minBytes: MEBIBYTE,
    maxBytes: 1024 * 1024 * MEBIBYTE,
  })
  maxJournalBytes = 1024 * MEBIBYTE;

  @Duration({ about: 'How often the journal is forced to disk.', restart: true, minMs: 10, maxMs: 60_000 })
  syncIntervalMs = 1_000;

  @Choice({
    about: 'What requests get while usage cannot be recorded: 503, or an answer nobody accounts for.',
    choices: ['closed', 'open'],
  })
  onFailure: 'closed' | 'open' = 'closed';
}

export class AuditConfig {
  @Switch({ about: 'Whether decisions are recorded in the audit.', restart: true })
  enabled = true;

  @Choice({
    about: 'What requests get while nothing can be recorded: 503, or an answer of which the audit knows nothing.',
    choices: ['closed', 'open'],
  })
  onFailure: 'closed' | 'open' = 'closed';

  /** Empty: made in the data folder, for development. */
  @Text({
    about: 'File of the Ed25519 private key (PEM) that seals the audit; empty: made once, which production refuses.',
    restart: true,
  })
  signingKeyFile = '';

  @TextList({ about: 'Files of the public keys (PEM) that sealed the audit before this one.', restart: true })
  formerPublicKeys: string[] = [];

  @Duration({ about: 'The longest that a record waits for its seal.', restart: true, minMs: 100, maxMs: 3_600_000 })
  checkpointIntervalMs = 10_000;

  @Whole({ about: 'Records after which a seal is made at once.', restart: true, min: 1, max: 100_000 })
  checkpointEvents = 1_000;

  @Duration({
    about: 'How long records are kept, where gateways are to remove them; 0s: for ever.',
    maxMs: 100 * 365 * 86_400_000,
  })
  retentionMs = 0;
}

export class GatewayConfig {
  @Section(ServerConfig, { about: 'The main listener.' })
  server = new ServerConfig();

  @Section(DatabaseConfig, { about: 'Where keys and usage are kept.' })
  database = new DatabaseConfig();

  @Section(RedisConfig, { about: 'What replicas share.' })
  redis = new RedisConfig();

  @Section(TelemetryConfig, { about: 'Metrics, logs and traces.' })
  telemetry = new TelemetryConfig();

  @Section(AuthConfig, { about: 'API keys and how they are cached.' })
  auth = new AuthConfig();

  @Section(LimitsConfig, { about: 'Rate limits and budgets.' })
  limits = new LimitsConfig();

  @Section(RoutingConfig, { about: 'How a request finds its target, and how long it may take.' })
  routing = new RoutingConfig();

  @Section(CostConfig, { about: 'What calls cost.' })
  cost = new CostConfig();

  @Section(AccountingConfig, { about: 'How usage is recorded.' })
  accounting = new AccountingConfig();

  @Section(AuditConfig, { about: 'What was decided, so that nobody can change it unseen.' })
  audit = new AuditConfig();

  @Section(FiltersConfig, { about: 'What requests are searched for.' })
  filters = new FiltersConfig();
}
