import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { hashApiKey } from '../../src/auth/api-key.js';
import { AUTH_SETTINGS, type AuthSettings } from '../../src/auth/auth-settings.js';
import { DatabaseService } from '../../src/database/database.service.js';
import { METRICS } from '../../src/telemetry/metrics.js';
import { TLS_METRICS } from '../../src/telemetry/tls.metrics.js';
import { Tracing } from '../../src/telemetry/tracing/tracing.service.js';
import { startTestGateway, type TestConfig, type TestGateway } from '../support/gateway.js';
import { OtlpReceiver } from '../support/otlp.js';
import { describeWithRedis, startRedis, type TestRedis } from '../support/redis.js';
import { metricOf, type Samples, scrape } from '../support/scrape.js';
import {
  brokenStreamAnswer,
  completionAnswer,
  errorAnswer,
  ScriptableUpstream,
  streamAnswer,
} from '../support/scriptable-upstream.js';
import { fillDisk, mountSmallDisk, unmountSmallDisk } from '../support/small-disk.js';

/** Requests that may be open at one time. */
const MOST_OPEN = 20;
const WAIT_MS = 20_000;

/** What only a primary counts, of its workers, and only a listener that speaks TLS: test/integration/workers, tls.test.ts. */
const OF_OTHERS: ReadonlySet<string> = new Set([
  METRICS.workerExits.name,
  METRICS.workerScrapesMissed.name,
  ...Object.values(TLS_METRICS).map(({ name }) => name),
]);

/** Real requests through a real gateway with real stores, and what each of them moves. */
describeWithRedis('the metrics', () => {
  let redis: TestRedis;
  let receiver: OtlpReceiver;
  let first: ScriptableUpstream;
  let second: ScriptableUpstream;
  let alone: ScriptableUpstream;
  let gateway: TestGateway;
  const disk = mountSmallDisk();
  /** By sample: every value that was ever scraped. */
  const seen = new Map<string, Set<number>>();

  const config = (changes: { readonly models?: Record<string, unknown> } = {}): TestConfig => ({
    gateway: {
      server: { host: '127.0.0.1', port: 0, graceful_shutdown: '2s', overload: { max_in_flight: MOST_OPEN } },
      redis: { url: redis.url },
      telemetry: { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'silent', otlp_endpoint: receiver.url },
      cost: { on_missing_pricing: 'flag' },
      routing: { circuit_breaker: { consecutive_failures: 2, open_for: '30s' } },
      audit: { on_failure: 'open', checkpoint_interval: '500ms' },
      accounting: { on_failure: 'open', ...(disk !== null && { journal_dir: `${disk}/journal` }) },
    },
    providers: {
      one: { type: 'openai', base_url: `${first.url}/v1`, api_key: 'credential' },
      two: { type: 'openai', base_url: `${second.url}/v1`, api_key: 'credential' },
      alone: { type: 'openai', base_url: `${alone.url}/v1`, api_key: 'credential' },
    },
    models: {
      alias: {
        primary: { provider: 'one', model: 'm1', classification_ceiling: 'INTERNAL' },
        fallback: [{ provider: 'two', model: 'm2', classification_ceiling: 'INTERNAL' }],
      },
      single: { primary: { provider: 'alone', model: 'm3', classification_ceiling: 'INTERNAL' } },
      ...changes.models,
    },
    prices: {
      'one/m1': { input: '2', output: '8', as_of: '2026-01-01' },
      'two/m2': { input: '1', output: '4' },
    },
  });

  beforeAll(async () => {
    redis = await startRedis();
    receiver = await OtlpReceiver.start();
    first = await ScriptableUpstream.start();
    second = await ScriptableUpstream.start();
    alone = await ScriptableUpstream.start();
    gateway = await startTestGateway(config());
  });
  afterAll(async () => {
    await gateway.close();
    await Promise.all([first, second, alone].map((upstream) => upstream.close()));
    await receiver.close();
    await redis.close();
    if (disk !== null) unmountSmallDisk(disk);
  });

  async function look(): Promise<Samples> {
    const samples = await scrape(gateway.metricsUrl);
    for (const [sample, value] of samples) {
      const values = seen.get(sample) ?? new Set([0]);
      seen.set(sample, values.add(value));
    }
    return samples;
  }

  /** Scrapes until these samples have grown: a request is recorded as its connection ends, just after its client's answer. */
  async function lookUntil(...samples: readonly string[]): Promise<void> {
    const before = await look();
    for (const deadline = performance.now() + WAIT_MS; ; await sleep(20)) {
      const now = await look();
      const still = samples.filter((sample) => (now.get(sample) ?? 0) <= 0);
      if (still.length === 0) return;
      if (performance.now() > deadline) throw new Error(`never moved: ${still.join(' ')} (of ${before.size})`);
    }
  }

  const ask = (model = 'alias', content = 'hello', key = gateway.key) =>
    gateway
      .openai(key)
      .chat.completions.create({ model, messages: [{ role: 'user', content }] })
      .then(
        () => 200,
        (error: unknown) => (error as { status?: number }).status,
      );

  async function stream(): Promise<string> {
    const chunks = await gateway
      .openai()
      .chat.completions.create({ model: 'alias', stream: true, messages: [{ role: 'user', content: 'hello' }] });
    let text = '';
    try {
      for await (const chunk of chunks) {
        text += chunk.choices[0]?.delta.content ?? '';
        await look();
      }
    } catch {
      return `${text}…`;
    }
    return text;
  }

  it('tell of requests that are not taken on', async () => {
    const come = alone.requests.length;
    alone.script(...Array.from({ length: MOST_OPEN }, () => ({ refuse: 'hang' as const })));
    const leaving = new AbortController();
    const held = Array.from({ length: MOST_OPEN }, () =>
      gateway
        .openai(gateway.key)
        .chat.completions.create(
          { model: 'single', messages: [{ role: 'user', content: 'wait' }] },
          { signal: leaving.signal },
        )
        .catch(() => undefined),
    );
    while (alone.requests.length < come + MOST_OPEN) await sleep(20);
    expect(await ask()).toBe(503);
    await lookUntil('aegis_requests_shed_total{reason="in_flight"}');
    leaving.abort();
    await Promise.all(held);
  });

  it('count an answer, its tokens and its cost, and set AEGIS off against its provider', async () => {
    await look();
    first.script({ ...completionAnswer('hi'), delayMs: 150 });
    expect(await ask()).toBe(200);
    await lookUntil(
      'aegis_requests_total{model="alias",provider="one",status="200",code="none"}',
      'aegis_tokens_total{model="alias",provider="one",direction="input"}',
      'aegis_tokens_total{model="alias",provider="one",direction="output"}',
      'aegis_cost_usd_total{model="alias",provider="one"}',
      'aegis_team_cost_usd_total{organization="acme",team="core",model="alias"}',
      'aegis_upstream_attempts_total{provider="one",model="m1",outcome="success"}',
    );
    const samples = await look();
    expect(samples.get('aegis_cost_usd_total{model="alias",provider="one"}')).toBeCloseTo((9 * 2 + 3 * 8) / 1e6, 12);
    const duration = samples.get('aegis_request_duration_seconds_sum{model="alias",stream="false"}') ?? 0;
    const overhead = samples.get('aegis_gateway_overhead_seconds_sum{model="alias",stream="false"}') ?? 0;
    const upstream = samples.get('aegis_upstream_attempt_duration_seconds_sum{provider="one",model="m1"}') ?? 0;
    expect(upstream).toBeGreaterThanOrEqual(0.15);
    expect(overhead).toBeGreaterThan(0);
    expect(overhead).toBeCloseTo(duration - upstream, 6);
  });

  it('measure a stream by its chunks, and count one that breaks off', async () => {
    first.script({ ...streamAnswer(['a', 'b', 'c', 'd']), pieceDelayMs: 30 });
    expect(await stream()).toBe('abcd');
    await lookUntil(
      'aegis_stream_time_to_first_chunk_seconds_count{model="alias",provider="one"}',
      'aegis_stream_duration_seconds_count{model="alias",provider="one"}',
      'aegis_gateway_overhead_seconds_count{model="alias",stream="true"}',
    );
    const samples = await look();
    // The role, four words, the finish: six chunks have five gaps. The count of tokens was not asked for.
    expect(samples.get('aegis_stream_time_per_chunk_seconds_count{model="alias",provider="one"}')).toBe(5);
    expect(samples.get('aegis_stream_time_per_chunk_seconds_sum{model="alias",provider="one"}')).toBeGreaterThan(0.12);
    expect(samples.get('aegis_stream_duration_seconds_sum{model="alias",provider="one"}')).toBeGreaterThan(0.1);
    expect(samples.get('aegis_gateway_overhead_seconds_sum{model="alias",stream="true"}')).toBeLessThan(0.1);

    first.script(brokenStreamAnswer(['a'], 'cut'));
    expect(await stream()).toMatch(/…$/);
    await lookUntil('aegis_streams_truncated_total{model="alias",provider="one",cause="provider"}');
  });

  it('count a fallback, a retry, and a circuit that opens', async () => {
    first.script(errorAnswer(503));
    second.script(completionAnswer('hi'));
    // The stream that broke off was the first failure in a row.
    expect([await ask(), await ask()]).toEqual([200, 200]);
    await lookUntil(
      'aegis_fallbacks_total{model="alias",outcome="upstream_fault"}',
      'aegis_circuit_openings_total{provider="one",model="m1"}',
      'aegis_circuit_state{provider="one",model="m1",state="open"}',
    );
    alone.script(errorAnswer(503), completionAnswer('hi'));
    expect(await ask('single')).toBe(200);
    await lookUntil(
      'aegis_retries_total{provider="alone",model="m3",outcome="upstream_fault"}',
      'aegis_unpriced_requests_total{model="single",provider="alone"}',
      'aegis_unpriced_targets',
    );
  });

  it('count each error by whose doing it is', async () => {
    expect(await ask('no-such-model')).toBe(404);
    expect(await ask('alias', ['AKIA', 'Z7QX2MNBVCR4TKWD'].join(''))).toBe(400);
    alone.script(errorAnswer(500));
    expect(await ask('single')).toBe(502);
    const limited = await gateway.mintKey({ rpmLimit: 1 });
    second.script(completionAnswer('hi'));
    expect([await ask('alias', 'hello', limited), await ask('alias', 'hello', limited)]).toEqual([200, 429]);
    await lookUntil(
      'aegis_errors_total{model="unknown",provider="none",cause="caller",code="model_not_found"}',
      'aegis_errors_total{model="alias",provider="none",cause="policy",code="content_filter"}',
      'aegis_errors_total{model="single",provider="none",cause="provider",code="upstream_error"}',
      'aegis_rate_limited_total{limit="requests"}',
    );
    const limits = [...(await look()).keys()].filter((sample) => sample.includes('cause="limit"'));
    expect(limits).toEqual([expect.stringContaining('code="rate_limit_exceeded"')]);
  });

  it('tell which tier knew a key, and that an entry in Redis was nobody of ours', async () => {
    const forged = await gateway.mintKey();
    const { pepper } = gateway.gateway.app.get<AuthSettings>(AUTH_SETTINGS, { strict: false });
    const client = new Redis(redis.url);
    await client.set(`aegis:key:${hashApiKey(forged, pepper)}`, 'an entry by a stranger');
    await client.quit();
    second.script(completionAnswer('hi'));
    expect(await ask('alias', 'hello', forged)).toBe(200);
    expect(await ask('alias', 'hello', gateway.unknownKey())).toBe(401);
    await lookUntil(
      'aegis_key_entries_refused_total',
      'aegis_key_lookups_total{tier="memory"}',
      'aegis_key_lookups_total{tier="database"}',
      'aegis_key_lookups_total{tier="none"}',
      'aegis_dependency_state{dependency="redis",state="healthy"}',
    );
  });

  it('tell what became of a reload', async () => {
    const loadedAt = (await look()).get('aegis_config_loaded_timestamp_seconds') ?? 0;
    expect(await gateway.reload(config({ models: { broken: { primary: { provider: 'nobody', model: 'm' } } } }))).toBe(
      'rejected',
    );
    await lookUntil('aegis_config_reloads_total{outcome="rejected"}', 'aegis_config_rejected');
    expect(await gateway.reload(config())).not.toBe('rejected');
    expect((await look()).get('aegis_config_rejected')).toBe(0);
    expect(loadedAt).toBeGreaterThan(1.7e9);
  });

  it('tell what waits for the ledger, and when it got there', async () => {
    const database = gateway.gateway.app.get(DatabaseService, { strict: false });
    const run = (statement: string) => database.run((manager) => manager.query(statement));
    await run('ALTER TABLE usage_request RENAME TO usage_request_away');
    second.script(completionAnswer('hi'));
    expect(await ask()).toBe(200);
    await lookUntil('aegis_journal_depth', 'aegis_journal_records_total', 'aegis_journal_bytes');
    await run('ALTER TABLE usage_request_away RENAME TO usage_request');
    await lookUntil('aegis_ledger_shipped_total');
  });

  it('tell what the audit wrote and sealed, and that it waits', async () => {
    const database = gateway.gateway.app.get(DatabaseService, { strict: false });
    const run = (statement: string) => database.run((manager) => manager.query(statement));
    await run('ALTER TABLE audit_record RENAME TO audit_record_away');
    second.script(completionAnswer('hi'));
    expect(await ask()).toBe(200);
    await lookUntil(
      'aegis_audit_records_total',
      'aegis_audit_depth',
      'aegis_audit_bytes',
      'aegis_audit_unsealed_seconds',
      'aegis_audit_writable',
    );
    await run('ALTER TABLE audit_record_away RENAME TO audit_record');
    await lookUntil('aegis_audit_checkpoints_total');
  });

  (disk === null ? it.skip : it)('tell that usage cannot be recorded', async () => {
    const filler = fillDisk(String(disk));
    second.script(completionAnswer('hi'));
    const before = (await look()).get('aegis_journal_failures_total') ?? 0;
    for (const deadline = performance.now() + WAIT_MS; performance.now() < deadline; ) {
      expect(await ask()).toBe(200);
      // A denial is not written into what room is kept back for requests under way.
      expect(await ask('no-such-model')).toBe(404);
      const samples = await look();
      const failed = [samples.get('aegis_journal_failures_total') ?? 0, samples.get('aegis_audit_lost_total') ?? 0];
      const writable = [samples.get('aegis_journal_writable'), samples.get('aegis_audit_writable')];
      if (Number(failed[0]) > before && Number(failed[1]) > 0 && writable.every((value) => value === 0)) break;
    }
    expect(seen.get('aegis_journal_writable')).toEqual(new Set([0, 1]));
    expect(seen.get('aegis_audit_writable')).toEqual(new Set([0, 1]));
    rmSync(filler);
  });

  it('have all moved, and there is none that the table does not have', async () => {
    await gateway.gateway.app.get(Tracing).flush();
    await lookUntil('aegis_otlp_exports_total{signal="traces",outcome="success"}');
    const moved = new Set([...seen].filter(([, values]) => values.size > 1).map(([sample]) => metricOf(sample)));
    const names = Object.values(METRICS).map(({ name }) => name as string);
    const cannotMove = disk === null ? [METRICS.journalFailures.name, METRICS.auditLost.name] : [];
    expect(names.filter((name) => !moved.has(name) && !OF_OTHERS.has(name))).toEqual(cannotMove);
    const scraped = new Set([...seen.keys()].map(metricOf).filter((name) => name.startsWith('aegis_')));
    expect([...scraped].filter((name) => !names.includes(name))).toEqual([]);
  });
});
