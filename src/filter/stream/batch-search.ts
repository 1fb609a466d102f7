import { setImmediate } from 'node:timers/promises';
import type { AnswerWork } from './answer-work.js';

/** The longest the search of one answer holds the event loop, in milliseconds. */
const SLICE_MS = 6;

/** Searches one chunk, in steps; what may go out comes last. */
export type ChunkSearch = (chunk: string) => Generator<void, readonly string[]>;

/**
 * The search of the chunks that came together. No generator around those of the chunks: what one holds lives longer than
 * it is needed, and an answer without end would fill the memory with all that it said until the next great collection.
 */
export class BatchSearch {
  readonly out: string[] = [];
  private next = 0;
  private steps: Generator<void, readonly string[]> | null = null;

  constructor(
    private readonly batch: readonly string[],
    private readonly search: ChunkSearch,
    private readonly work: AnswerWork,
  ) {}

  /** Works for one slice; true where all is done. Throws what the search throws, and `AnswerWorkExceededError`. */
  runSlice(): boolean {
    const { batch, work, out } = this;
    const startedMs = performance.now();
    let nowMs = startedMs;
    try {
      while (this.next < batch.length) {
        const chunk = batch[this.next] ?? '';
        if (!this.steps) {
          work.expect(1, chunk.length);
          this.steps = this.search(chunk);
        }
        const step = this.steps.next();
        nowMs = performance.now();
        if (step.done) {
          for (const text of step.value) out.push(text);
          this.steps = null;
          this.next += 1;
        }
        if (nowMs - startedMs > SLICE_MS) break;
      }
    } finally {
      work.spend(nowMs - startedMs);
    }
    return this.next >= batch.length;
  }

  /** The rest, slice by slice, with others served in between, until `signal` is aborted. */
  async runRest(signal: AbortSignal): Promise<void> {
    do {
      await setImmediate();
      signal.throwIfAborted();
    } while (!this.runSlice());
  }
}
