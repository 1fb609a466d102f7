import cluster, { type Worker } from 'node:cluster';
import {
  COUNT_VARIABLE,
  type MetricReport,
  NUMBER_VARIABLE,
  type PrimaryMessage,
  type WorkerMessage,
} from '../workers/messages.js';
import { giveBackUntaken } from './handover.js';

export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: string | null;
  readonly livedMs: number;
  /** Whether it ever took requests. */
  readonly hasServed: boolean;
  /** What it said of why it could not start; null where it said nothing. */
  readonly reason: string | null;
}

/** A part of the primary that workers may ask. */
export type Room = (question: unknown) => Promise<unknown>;

/** One worker's process, seen from the primary. */
export class WorkerHandle {
  /** Null once it takes requests; how it ended where it never did. */
  readonly started: Promise<WorkerEnd | null>;
  readonly ended: Promise<WorkerEnd>;
  /** What it counted, as it last said; null before it said anything. */
  lastReport: MetricReport | null = null;
  /** Where it says that it serves; empty before. */
  url = '';
  private readonly worker: Worker;
  private readonly scrapes = new Map<number, (report: MetricReport | null) => void>();
  private rooms: ReadonlyMap<string, Room> = new Map();
  private lastId = 0;
  private reason: string | null = null;

  constructor(
    readonly number: number,
    count: number,
  ) {
    const startedAtMs = performance.now();
    this.worker = cluster.fork({ [NUMBER_VARIABLE]: String(number), [COUNT_VARIABLE]: String(count) });
    giveBackUntaken(this.worker);
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: string | null): void => {
        for (const tell of this.scrapes.values()) tell(null);
        const livedMs = performance.now() - startedAtMs;
        resolve({ code, signal, livedMs, hasServed: this.isServing, reason: this.reason });
      };
      this.worker.once('exit', (code, signal) => end(code, signal || null));
      this.worker.on('error', (error) => {
        // A process that came to be ends by itself; of a message that does not reach it nothing need be said.
        if (this.worker.process.pid !== undefined) return;
        this.reason = error.message;
        end(null, null);
      });
    });
    const serving = new Promise<null>((resolve) => {
      this.worker.on('message', (message: WorkerMessage) => {
        this.receive(message);
        if (message.kind === 'serving') resolve(null);
      });
    });
    this.started = Promise.race([serving, this.ended]);
  }

  get isServing(): boolean {
    return this.url !== '';
  }

  /** What its questions are answered by. */
  answerWith(rooms: ReadonlyMap<string, Room>): void {
    this.rooms = rooms;
  }

  /** A process that is gone hears nothing. */
  send(message: PrimaryMessage): void {
    if (this.worker.isConnected()) this.worker.send(message);
  }

  kill(): void {
    this.worker.process.kill('SIGKILL');
  }

  /** What it measures now; null where it does not say so in time. */
  readMetrics(timeoutMs: number): Promise<MetricReport | null> {
    const id = ++this.lastId;
    return new Promise((resolve) => {
      const settle = (report: MetricReport | null): void => {
        clearTimeout(timer);
        this.scrapes.delete(id);
        resolve(report);
      };
      const timer = setTimeout(() => settle(null), timeoutMs);
      this.scrapes.set(id, settle);
      this.send({ kind: 'metrics', id });
    });
  }

  private receive(message: WorkerMessage): void {
    switch (message.kind) {
      case 'serving':
        this.url = message.url;
        return;
      case 'failed':
        this.reason = message.reason;
        return;
      case 'metrics':
        this.lastReport = message.report;
        this.scrapes.get(message.id)?.(message.report);
        return;
      case 'last_metrics':
        this.lastReport = message.report;
        return;
      case 'question':
        void this.answer(message.id, message.room, message.question);
        return;
      default:
        message satisfies never;
    }
  }

  private async answer(id: number, room: string, question: unknown): Promise<void> {
    try {
      const answer = await this.rooms.get(room)?.(question);
      this.send({ kind: 'answer', id, answer });
    } catch (error) {
      this.send({ kind: 'refusal', id, reason: String(error) });
    }
  }
}
