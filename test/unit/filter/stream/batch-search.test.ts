import { SLICE_MS } from '../../../../src/filter/slices.js';
import { AnswerWork, AnswerWorkExceededError } from '../../../../src/filter/stream/answer-work.js';
import { BatchSearch } from '../../../../src/filter/stream/batch-search.js';

function hold(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

/** A search that takes a slice for each letter and gives the chunk in capitals. */
function* search(chunk: string): Generator<void, readonly string[]> {
  for (const _ of chunk) {
    hold(SLICE_MS);
    yield;
  }
  return [chunk.toUpperCase()];
}

describe('the search of chunks that came together', () => {
  it('is done at once where it is short', () => {
    const quick = new BatchSearch(
      ['a', 'b'],
      function* (chunk) {
        yield;
        return [chunk, chunk];
      },
      new AnswerWork(),
    );
    expect(quick.runSlice()).toBe(true);
    expect(quick.out).toEqual(['a', 'a', 'b', 'b']);
  });

  it('lets others work between its slices, and keeps the order', async () => {
    const long = new BatchSearch(['ab', 'c'], search, new AnswerWork());
    let turns = 0;
    const others = setInterval(() => (turns += 1), 1);
    expect(long.runSlice()).toBe(false);
    expect(long.out).toEqual([]);
    await long.runRest(new AbortController().signal);
    clearInterval(others);
    expect(long.out).toEqual(['AB', 'C']);
    expect(turns).toBeGreaterThan(0);
  });

  it('stops where nobody waits for it any more', async () => {
    const left = new AbortController();
    const long = new BatchSearch(['abcdef'], search, new AnswerWork());
    const end = long.runRest(left.signal);
    left.abort(new Error('left'));
    await expect(end).rejects.toThrow('left');
    expect(long.out).toEqual([]);
  });

  it('keeps what was found before a chunk that ends the answer, and says what ended it', () => {
    const work = new AnswerWork();
    const blocked = new BatchSearch(
      ['a', 'bad', 'b'],
      function* (chunk) {
        yield;
        if (chunk === 'bad') throw new Error('blocked');
        return [chunk];
      },
      work,
    );
    expect(() => blocked.runSlice()).toThrow('blocked');
    expect(blocked.out).toEqual(['a']);
  });

  it('ends where the answer has had all the work it may take', () => {
    const spent = new BatchSearch(['a'.repeat(40)], search, new AnswerWork(-1e3));
    expect(() => spent.runSlice()).toThrow(AnswerWorkExceededError);
  });
});
