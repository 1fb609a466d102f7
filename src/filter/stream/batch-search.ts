import { setImmediate } from 'node:timers/promises';
import { SLICE_MS } from '../slices.js';
import type { AnswerWork } from './answer-work.js';

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
    const deadlineMs = performance.now() + SLICE_MS;
    for (let nowMs = 0; this.next < batch.length && nowMs < deadlineMs; ) {
      const chunk = batch[this.next] ?? '';
      if (!this.steps) {
        work.expect(1, chunk.length);
        this.steps = this.search(chunk);
      }
      const startedMs = performance.now();
      const step = this.steps.next();
      nowMs = performance.now();
      work.spend(nowMs - startedMs);
      if (!step.done) continue;
      for (const text of step.value) out.push(text);
      this.steps = null;
      this.next += 1;
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
