import type { Logger } from 'pino';
import { type WorkerEnd, WorkerHandle } from './worker-handle.js';

/** Who lives this long did not die of its start. */
const STABLE_MS = 10_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

/** Nobody can serve. The message says why the first worker could not. */
export class FleetError extends Error {
  override readonly name = 'FleetError';
}

export interface FleetEvents {
  started(worker: WorkerHandle): void;
  /** Told before it is replaced. */
  ended(worker: WorkerHandle, end: WorkerEnd): void;
  /** Nobody serves, and nobody could be started in any place. */
  gaveUp(error: FleetError): void;
}

/** A worker's number, and whoever has it at the moment. */
interface Place {
  readonly number: number;
  worker: WorkerHandle | null;
  /** Deaths in a row soon after a start. */
  quickDeaths: number;
  /** Whether somebody could not start here since anybody last served. */
  hasFailed: boolean;
  timer: NodeJS.Timeout | null;
}

/** So many workers, each replaced where it ends by itself: at once, or after a pause where it died of its start. */
export class Fleet {
  private readonly places: readonly Place[];
  private readonly whenAllServe: Promise<void>;
  private tellAllServe: () => void = () => undefined;
  private isStopping = false;
  private hasBegun = false;
  /** Why the first of those could not start who came since anybody last served. */
  private reason: string | null = null;

  constructor(
    count: number,
    private readonly events: FleetEvents,
    private readonly logger: () => Logger,
  ) {
    this.places = Array.from({ length: count }, (_, index) => ({
      number: index + 1,
      worker: null,
      quickDeaths: 0,
      hasFailed: false,
      timer: null,
    }));
    this.whenAllServe = new Promise((resolve) => {
      this.tellAllServe = resolve;
    });
  }

  /** Those whose process lives, serving or not. */
  get workers(): readonly WorkerHandle[] {
    return this.places.flatMap(({ worker }) => worker ?? []);
  }

  /**
   * Resolves once all serve. The first one is alone until it does: it prepares what all need (tables, an embedded
   * database), and where it cannot start none could. Throws a `FleetError` then.
   */
  async start(): Promise<void> {
    const [first, ...others] = this.places;
    if (!first) return;
    const end = await this.fork(first).started;
    if (end) throw new FleetError(end.reason ?? describeEnd(end));
    this.hasBegun = true;
    if (this.isStopping) return;
    for (const place of others) this.fork(place);
    this.noteServing();
    await this.whenAllServe;
  }

  reload(): void {
    for (const worker of this.workers) worker.send({ kind: 'reload' });
  }

  /** Has all of them end what is under way. True where each did by itself, and in time. */
  async stop(timeoutMs: number): Promise<boolean> {
    this.isStopping = true;
    this.tellAllServe();
    for (const { timer } of this.places) if (timer) clearTimeout(timer);
    const { workers } = this;
    for (const worker of workers) {
      worker.send({ kind: 'drain' });
      // One that was just being started may not have heard it.
      void worker.started.then(() => worker.send({ kind: 'drain' }));
    }
    const timer = setTimeout(() => {
      this.logger().error('workers took too long to end; they are killed');
      this.kill();
    }, timeoutMs);
    const ends = await Promise.all(workers.map(({ ended }) => ended));
    clearTimeout(timer);
    return ends.every(({ code }) => code === 0);
  }

  /** What they have not done by now is not done. Their journals are taken over at the next start. */
  kill(): void {
    this.isStopping = true;
    for (const { timer } of this.places) if (timer) clearTimeout(timer);
    for (const worker of this.workers) worker.kill();
  }

  private fork(place: Place): WorkerHandle {
    const worker = new WorkerHandle(place.number, this.places.length);
    place.worker = worker;
    place.timer = null;
    this.events.started(worker);
    void worker.started.then((end) => {
      if (!end) this.noteServing();
    });
    void worker.ended.then((end) => this.noteEnd(place, worker, end));
    return worker;
  }

  private noteServing(): void {
    this.reason = null;
    for (const place of this.places) place.hasFailed = false;
    if (this.places.every(({ worker }) => worker?.isServing)) this.tellAllServe();
  }

  private noteEnd(place: Place, worker: WorkerHandle, end: WorkerEnd): void {
    place.worker = null;
    this.events.ended(worker, end);
    // Of the first of all, who starts them is told.
    if (this.isStopping || !this.hasBegun) return;
    const entry = { worker: place.number, code: end.code, signal: end.signal };
    if (!end.hasServed) {
      this.reason ??= end.reason ?? describeEnd(end);
      place.hasFailed = true;
      this.logger().error({ ...entry, reason: end.reason }, 'worker could not start');
      if (this.places.every(({ hasFailed, worker: other }) => hasFailed && !other?.isServing)) {
        this.kill();
        this.events.gaveUp(new FleetError(this.reason));
        return;
      }
    } else this.logger().warn(entry, 'worker ended; another takes its place');
    place.quickDeaths = end.hasServed && end.livedMs >= STABLE_MS ? 0 : place.quickDeaths + 1;
    // One death is an accident.
    const exponent = place.quickDeaths - (end.hasServed ? 2 : 1);
    const pauseMs = exponent < 0 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** exponent, LONGEST_PAUSE_MS);
    place.timer = setTimeout(() => this.fork(place), pauseMs);
  }
}

function describeEnd({ code, signal }: WorkerEnd): string {
  return `A worker ended while it was starting: ${signal ?? `exit code ${code}`}.`;
}
