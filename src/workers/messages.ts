import type { MetricObjectWithValues, MetricValue } from 'prom-client';

/** What the metrics of one process say. */
export type MetricReport = readonly MetricObjectWithValues<MetricValue<string>>[];

/** What a worker says to the primary. */
export type WorkerMessage =
  /** It takes requests. */
  | { readonly kind: 'serving'; readonly url: string }
  /** It cannot start, and ends. For people. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** The answer to a request for metrics. */
  | { readonly kind: 'metrics'; readonly id: number; readonly report: MetricReport }
  /** What it has counted by its end. */
  | { readonly kind: 'last_metrics'; readonly report: MetricReport }
  /** Wants an `answer` with the same id. */
  | { readonly kind: 'question'; readonly id: number; readonly room: string; readonly question: unknown };

/** What the primary says to a worker. */
export type PrimaryMessage =
  | { readonly kind: 'metrics'; readonly id: number }
  /** End what is under way, and the process. */
  | { readonly kind: 'drain' }
  /** Read the configuration now. */
  | { readonly kind: 'reload' }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly reason: string };

/** Environment variables that tell a worker which one it is. */
export const NUMBER_VARIABLE = 'AEGIS_WORKER_NUMBER';
export const COUNT_VARIABLE = 'AEGIS_WORKER_COUNT';
