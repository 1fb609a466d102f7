/** An answer takes more work to search than any text that a model writes of its own. */
export class AnswerWorkExceededError extends Error {
  constructor() {
    super('the search of an answer took more time than its length allows');
    this.name = 'AnswerWorkExceededError';
  }
}

/** What any answer may take; text takes about 0.1 µs a character in one piece, 40 µs a chunk; the worst known 3 µs a character. */
const BASE_MS = 2_000;
const MS_PER_CHARACTER = 0.001;
const MS_PER_CHUNK = 0.5;

/** Bounds the time that one answer is searched for, in milliseconds of work, by what has come of it. */
export class AnswerWork {
  private spentMs = 0;
  private limitMs: number;

  constructor(baseMs = BASE_MS) {
    this.limitMs = baseMs;
  }

  /** So much has come. */
  expect(chunks: number, characters: number): void {
    this.limitMs += chunks * MS_PER_CHUNK + characters * MS_PER_CHARACTER;
  }

  /** So long was worked. Throws `AnswerWorkExceededError` where that is too long. */
  spend(ms: number): void {
    this.spentMs += ms;
    if (this.spentMs > this.limitMs) throw new AnswerWorkExceededError();
  }

  /** The same work; throws `AnswerWorkExceededError` where it takes too long. */
  *bound<T>(work: Generator<void, T>): Generator<void, T> {
    for (;;) {
      const startedMs = performance.now();
      const step = work.next();
      this.spend(performance.now() - startedMs);
      if (step.done) return step.value;
      yield;
    }
  }
}
