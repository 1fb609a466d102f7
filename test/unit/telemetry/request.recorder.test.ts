import { Writable } from 'node:stream';
import pino from 'pino';
import type { SnapshotService } from '../../../src/config/snapshot.service.js';
import type { TokenUsage } from '../../../src/domain/usage.js';
import type { RequestContext } from '../../../src/request-context/request-context.js';
import { AegisLogger } from '../../../src/telemetry/aegis.logger.js';
import { type RequestOutcome, RequestRecorder } from '../../../src/telemetry/request.recorder.js';
import { Tracing } from '../../../src/telemetry/tracing/tracing.service.js';
import { makeMetrics } from '../../support/metrics.js';
import { makeRequestContext } from '../../support/principals.js';
import { loaded } from '../config/support.js';

const USAGE: TokenUsage = {
  promptTokens: 1_000,
  completionTokens: 10,
  totalTokens: 1_010,
  cachedPromptTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
};
const OUTCOME = { route: '/v1/chat/completions', method: 'POST', status: 200, complete: true, endedAtMs: 1 };
const PRICED = 'version: v7\nprices: [{provider: house, model: llama, input: 2, output: 8}]';
const NONE = 'version: v7\nprices: []';

/** What one request answered by house/llama leaves in the log and in the metrics. */
async function recordOne(
  pricing: string,
  policy: 'deny' | 'flag' | 'allow',
  costNanoUsd: bigint | null = null,
  changes: Partial<RequestContext> = {},
  outcome: RequestOutcome = OUTCOME,
) {
  const { metrics, registry } = makeMetrics();
  const lines: string[] = [];
  const sink = new Writable({ write: (line, _encoding, done) => done(void lines.push(String(line))) });
  const logger = Object.assign(new AegisLogger({ level: 'info', format: 'json' }), { pino: pino(sink) });
  const gateway = `server: {port: 8080}\ncost: {on_missing_pricing: ${policy}}`;
  const { snapshot } = loaded({ 'gateway.yaml': gateway, 'pricing.yaml': pricing });
  const recorder = new RequestRecorder(logger, metrics, new Tracing({ current: snapshot } as SnapshotService, metrics));
  recorder.record(
    Object.assign(makeRequestContext(snapshot, undefined, { startedAtMs: 0 }), {
      requestedModel: 'fast',
      served: { provider: 'house', model: 'llama', attempts: 1 },
      usage: USAGE,
      costNanoUsd,
      ...changes,
    }),
    outcome,
  );
  return { entry: JSON.parse(lines.join('')) as Record<string, unknown>, metrics: await registry.metrics() };
}

describe('the record of a request', () => {
  it('tells what it cost and by which price list', async () => {
    const { entry, metrics } = await recordOne(PRICED, 'flag');
    expect(entry).toMatchObject({ costNanoUsd: '2080000', priceVersion: 'v7' });
    expect(entry).not.toHaveProperty('unpriced');
    expect(metrics).toContain('aegis_cost_usd_total{model="fast",provider="house"} 0.00208');
    expect(metrics).not.toContain('aegis_unpriced_requests_total{');
  });

  it('tells what all its attempts cost together, where they were accounted for one by one', async () => {
    expect((await recordOne(PRICED, 'deny', 5_000_000n)).entry).toMatchObject({ costNanoUsd: '5000000' });
  });

  it('marks that a target without a price served it under flag, and passes over it in silence under allow', async () => {
    const flagged = await recordOne(NONE, 'flag');
    expect(flagged.entry).toMatchObject({ unpriced: true });
    expect(flagged.entry).not.toHaveProperty('costNanoUsd');
    expect(flagged.metrics).toContain('aegis_unpriced_requests_total{model="fast",provider="house"} 1');

    const allowed = await recordOne(NONE, 'allow');
    expect(allowed.entry).not.toHaveProperty('unpriced');
    expect(allowed.metrics).not.toContain('aegis_unpriced_requests_total{');
  });
});
