import { Counter, register } from 'prom-client';
import { countsOf, formatReport, mergeReports } from '../telemetry/metric-reports.js';
import { METRICS } from '../telemetry/metrics.js';
import { measureProcess } from '../telemetry/metrics.listener.js';
import type { MetricReport } from '../workers/messages.js';
import type { WorkerHandle } from './worker-handle.js';

/** Prometheus itself waits ten seconds for a scrape, by default. */
const SCRAPE_MS = 2_000;

/**
 * The metrics of all workers and of the primary as those of one process. What a worker counted is kept when it ends, as it
 * last said: a sum that fell would look to Prometheus like a restart of all of them.
 */
export class FleetMetrics {
  private readonly exits: Counter;
  private readonly missed: Counter;
  /** Of workers that are gone. */
  private departed: MetricReport = [];

  constructor() {
    measureProcess();
    this.exits = makeCounter(METRICS.workerExits);
    this.missed = makeCounter(METRICS.workerScrapesMissed);
  }

  async read(workers: readonly WorkerHandle[]): Promise<string> {
    // Of the same moment: a worker that ends meanwhile is counted once.
    const { departed } = this;
    const serving = workers.filter(({ isServing }) => isServing);
    const reports = await Promise.all(serving.map((worker) => this.readWorker(worker)));
    // After theirs: it counts what was missed just now.
    const own: MetricReport = await register.getMetricsAsJSON();
    return formatReport(mergeReports([own, departed, ...reports]));
  }

  /** A worker is gone. `wasTold`: it had been told to end. */
  bury({ lastReport }: WorkerHandle, wasTold: boolean): void {
    if (!wasTold) this.exits.inc();
    if (lastReport) this.departed = mergeReports([this.departed, countsOf(lastReport)]);
  }

  private async readWorker(worker: WorkerHandle): Promise<MetricReport> {
    const report = await worker.readMetrics(SCRAPE_MS);
    if (report) return report;
    this.missed.inc();
    return countsOf(worker.lastReport ?? []);
  }
}

function makeCounter({ name, help }: (typeof METRICS)['workerExits' | 'workerScrapesMissed']): Counter {
  return new Counter({ name, help, registers: [register] });
}
