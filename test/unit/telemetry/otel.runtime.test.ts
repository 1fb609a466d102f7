import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RequestFacts } from '../../../src/telemetry/request-line.js';
import { ExportWatch } from '../../../src/telemetry/tracing/export-watch.js';
import { OtelRuntime } from '../../../src/telemetry/tracing/otel.runtime.js';
import { findEndpoint } from '../../../src/telemetry/tracing/tracing.service.js';
import { makeMetrics } from '../../support/metrics.js';
import { makeRequestContext } from '../../support/principals.js';
import { loaded } from '../config/support.js';

const FACTS: RequestFacts = {
  route: '/v1/chat/completions',
  method: 'POST',
  status: 200,
  complete: true,
  durationMs: 1,
  model: 'fast',
  costNanoUsd: null,
  isUnpriced: false,
  overheadMs: null,
  failure: null,
};

/** Where traces wait for a collector that does not answer: 2,048 spans, and two batches of 512 on their way. */
const MOST_SPANS_HELD = 2_048 + 2 * 512;

describe('spans that nobody takes', () => {
  it('are dropped past a bound, so that memory is too', async () => {
    let spans = 0;
    let answer: (() => void)[] | null = [];
    const collector = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const text = Buffer.concat(pieces).toString('utf8');
        spans += text.split('"spanId"').length - 1;
        const end = (): void => void response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
        if (answer) answer.push(end);
        else end();
      });
    }).listen(0, '127.0.0.1');
    await once(collector, 'listening');
    const { metrics } = makeMetrics();
    const runtime = new OtelRuntime({
      endpoint: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
      samplePercent: 100,
      watch: new ExportWatch({ warn: () => undefined, log: () => undefined }, metrics.otlpExports),
    });
    const context = makeRequestContext(loaded({}).snapshot);
    for (let request = 0; request < 10_000; request++) {
      runtime.endRequest(runtime.startRequest('POST', FACTS.route, null), context, FACTS);
    }
    while (answer?.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const held = answer ?? [];
    answer = null;
    for (const end of held) end();
    await runtime.flush();
    await runtime.shutDown();
    collector.closeAllConnections();
    collector.close();
    expect(spans).toBeGreaterThan(512);
    expect(spans).toBeLessThanOrEqual(MOST_SPANS_HELD);
  });
});

describe('an endpoint that fails', () => {
  it('is named once, until it has taken something again', () => {
    const { metrics } = makeMetrics();
    const told: string[] = [];
    const tell = (message: unknown): void => void told.push(String(message));
    const watch = new ExportWatch({ warn: tell, log: tell }, metrics.otlpExports);
    const refused = Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:4318'), { code: 'ECONNREFUSED' });
    for (let batch = 0; batch < 3; batch++) watch.report('traces', refused);
    watch.report('metrics', Object.assign(new Error('the body of the answer'), { code: 401 }));
    expect(told).toEqual([
      'The OTLP endpoint takes no traces: ECONNREFUSED. Requests go on; what cannot be sent is lost.',
    ]);
    watch.report('traces', null);
    watch.report('metrics', Object.assign(new Error('the body of the answer'), { code: 401 }));
    expect(told.slice(1)).toEqual([
      'The OTLP endpoint takes telemetry again',
      'The OTLP endpoint takes no metrics: it answered 401. Requests go on; what cannot be sent is lost.',
    ]);
  });
});

describe('where telemetry is sent', () => {
  const STANDARD = 'OTEL_EXPORTER_OTLP_ENDPOINT';
  it.each([
    ['nowhere, where nothing is set', '', {}, null],
    ['as the configuration says', 'http://a:4318', { [STANDARD]: 'http://b:4318' }, 'http://a:4318'],
    ["as the environment's standard variable says", '', { [STANDARD]: ' http://b:4318 ' }, 'http://b:4318'],
    ['nowhere, where the environment switches it off', 'http://a:4318', { OTEL_SDK_DISABLED: 'true' }, null],
    ['nowhere, where it is no address', '', { [STANDARD]: 'collector' }, null],
  ])('%s', (_where, configured, environment, expected) => {
    expect(findEndpoint(configured, environment)).toBe(expected);
  });
});
