import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { countsOf, formatReport, mergeReports } from '../../../src/telemetry/metric-reports.js';
import { METRICS } from '../../../src/telemetry/metrics.js';
import type { MetricReport } from '../../../src/workers/messages.js';
import { makeMetrics } from '../../support/metrics.js';
import { parseSamples, type Samples } from '../../support/scrape.js';

type Made = ReturnType<typeof makeMetrics>['metrics'];

/** As it comes from another process. */
async function report(fill: (metrics: Made) => void): Promise<MetricReport> {
  const { metrics, registry } = makeMetrics();
  fill(metrics);
  return structuredClone(await registry.getMetricsAsJSON());
}

async function merge(...fills: ((metrics: Made) => void)[]): Promise<Samples> {
  return parseSamples(await formatReport(mergeReports(await Promise.all(fills.map(report)))));
}

describe('the metrics of several processes', () => {
  it('are sums where they count: of each series by itself, whatever the order of its labels', async () => {
    const samples = await merge(
      ({ requests, cost }) => {
        requests.inc({ model: 'a', provider: 'p', status: '200', code: 'none' }, 3);
        cost.inc({ model: 'a', provider: 'p' }, 0.5);
      },
      ({ requests, cost }) => {
        requests.inc({ code: 'none', status: '200', provider: 'p', model: 'a' }, 4);
        requests.inc({ model: 'b', provider: 'p', status: '200', code: 'none' }, 1);
        cost.inc({ model: 'a', provider: 'p' }, 0.25);
      },
    );
    expect(samples.get('aegis_requests_total{model="a",provider="p",status="200",code="none"}')).toBe(7);
    expect(samples.get('aegis_requests_total{model="b",provider="p",status="200",code="none"}')).toBe(1);
    expect(samples.get('aegis_cost_usd_total{model="a",provider="p"}')).toBe(0.75);
  });

  it('are histograms over all observations', async () => {
    const labels = { model: 'a', stream: 'false' };
    const samples = await merge(
      ({ requestDuration }) => requestDuration.observe(labels, 0.02),
      ({ requestDuration }) => {
        requestDuration.observe(labels, 0.02);
        requestDuration.observe(labels, 3);
      },
    );
    const find = (end: string): number | undefined =>
      [...samples].find(([name]) => name.startsWith('aegis_request_duration_seconds') && name.includes(end))?.[1];
    expect(find('_count')).toBe(3);
    expect(find('_sum')).toBeCloseTo(3.04);
    expect(find('le="0.025"')).toBe(2);
    expect(find('le="5"')).toBe(3);
    expect(find('le="+Inf"')).toBe(3);
  });

  it('are gauges by what they mean', async () => {
    const samples = await merge(
      ({ inFlight, journalWritable, configRejected, configLoadedAt, buildInfo, workers }) => {
        inFlight.set(2);
        journalWritable.set(1);
        configRejected.set(0);
        configLoadedAt.set(200);
        buildInfo.set({ version: '1', node: 'v20' }, 1);
        workers.set(1);
      },
      ({ inFlight, journalWritable, configRejected, configLoadedAt, buildInfo, workers }) => {
        inFlight.set(5);
        journalWritable.set(0);
        configRejected.set(1);
        configLoadedAt.set(100);
        buildInfo.set({ version: '1', node: 'v20' }, 1);
        workers.set(1);
      },
    );
    expect(samples.get('aegis_requests_in_flight')).toBe(7);
    expect(samples.get('aegis_journal_writable')).toBe(0);
    expect(samples.get('aegis_config_rejected')).toBe(1);
    expect(samples.get('aegis_config_loaded_timestamp_seconds')).toBe(100);
    expect(samples.get('aegis_build_info{version="1",node="v20"}')).toBe(1);
    expect(samples.get('aegis_workers')).toBe(2);
  });

  it('are in the worst state that one of them is in, and in no other', async () => {
    const circuit = (state: string) => (metrics: Made) => {
      for (const each of ['closed', 'half_open', 'open']) {
        metrics.circuitState.set({ provider: 'p', model: 'm', state: each }, each === state ? 1 : 0);
      }
    };
    const states = async (...fills: ((metrics: Made) => void)[]): Promise<string[]> =>
      [...(await merge(...fills))].flatMap(([name, value]) => {
        const [, state = ''] = /^aegis_circuit_state\{.*state="(\w+)"/.exec(name) ?? [];
        return state !== '' && value === 1 ? state : [];
      });
    expect(await states(circuit('closed'), circuit('open'), circuit('half_open'))).toEqual(['open']);
    expect(await states(circuit('half_open'), circuit('closed'))).toEqual(['half_open']);
    expect(await states(circuit('closed'), circuit('closed'))).toEqual(['closed']);
    // One that never left closed has no series.
    expect(await states(() => undefined, circuit('open'))).toEqual(['open']);
  });

  it('keep for good what counts, and nothing else, of a process that is gone', async () => {
    const names = countsOf(
      await report(({ inFlight, requests }) => {
        inFlight.set(3);
        requests.inc({ model: 'a', provider: 'p', status: '200', code: 'none' });
      }),
    ).map(({ name }) => name);
    expect(names).toContain('aegis_requests_total');
    expect(names).toContain('aegis_request_duration_seconds');
    expect(names).not.toContain('aegis_requests_in_flight');
  });

  it('are printed as one process prints its own', async () => {
    const { metrics, registry } = makeMetrics();
    metrics.requests.inc({ model: 'a"\n', provider: 'p', status: '200', code: 'none' });
    metrics.requestDuration.observe({ model: 'a', stream: 'true' }, 1);
    metrics.inFlight.set(1);
    const own = parseSamples(await registry.metrics());
    const merged = parseSamples(await formatReport(mergeReports([structuredClone(await registry.getMetricsAsJSON())])));
    const sorted = (samples: Samples): [string, number][] =>
      [...samples]
        .map(([name, value]): [string, number] => [
          name.replace(/\{(.*)\}/s, (_, labels: string) =>
            labels
              .split(/,(?=\w+=)/)
              .sort()
              .join(),
          ),
          value,
        ])
        .sort();
    expect(sorted(merged)).toEqual(sorted(own));
  });

  it("have Node's own from the worst, and the start of the first", async () => {
    const make = async (lag: number, start: number, memory: number): Promise<MetricReport> => {
      const registers = [new Registry()];
      new Gauge({ name: 'nodejs_eventloop_lag_p99_seconds', help: 'x', registers }).set(lag);
      new Gauge({ name: 'process_start_time_seconds', help: 'x', registers, aggregator: 'omit' }).set(start);
      new Gauge({ name: 'process_resident_memory_bytes', help: 'x', registers }).set(memory);
      new Counter({ name: 'process_cpu_seconds_total', help: 'x', registers }).inc(memory);
      new Histogram({ name: 'nodejs_gc_duration_seconds', help: 'x', registers }).observe(1);
      return (await registers[0]?.getMetricsAsJSON()) ?? [];
    };
    const merged = mergeReports([await make(0.1, 50, 1), await make(0.3, 70, 2), await make(0.2, 60, 4)]);
    const samples = parseSamples(await formatReport(merged));
    expect(samples.get('nodejs_eventloop_lag_p99_seconds')).toBe(0.3);
    expect(samples.get('process_start_time_seconds')).toBe(50);
    expect(samples.get('process_resident_memory_bytes')).toBe(7);
    expect(samples.get('process_cpu_seconds_total')).toBe(7);
    expect(samples.get('nodejs_gc_duration_seconds_count')).toBe(3);
  });

  it('know of every label `state` which of its values is worse', () => {
    const worst = Object.values(METRICS).filter((metric) => metric.kind === 'gauge' && metric.together === 'worst');
    expect(worst.map(({ labelNames }) => labelNames.includes('state' as never))).toEqual(worst.map(() => true));
  });
});
