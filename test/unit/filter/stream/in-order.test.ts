import { Subject } from 'rxjs';
import { AegisError } from '../../../../src/domain/errors.js';
import { inOrder, type Step } from '../../../../src/filter/stream/in-order.js';

const out = (...texts: string[]): Step => ({ out: texts, error: null });
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Work on words: one with a `!` is done later, when `release` is called. */
class Site {
  readonly source = new Subject<string>();
  readonly seen: string[] = [];
  readonly begun: string[] = [];
  readonly releases: (() => void)[] = [];
  private readonly subscription = inOrder(
    this.source,
    (word) => this.work(word, out(word)),
    () => this.work(this.last, out('end')),
  ).subscribe({
    next: (texts) => void this.seen.push(...texts),
    error: (thrown: unknown) => void this.seen.push(`error: ${thrown instanceof Error ? thrown.message : '?'}`),
    complete: () => void this.seen.push('complete'),
  });

  constructor(private readonly last = 'finish') {}

  send(...words: string[]): this {
    for (const word of words) this.source.next(word);
    return this;
  }

  leave(): void {
    this.subscription.unsubscribe();
  }

  async release(): Promise<void> {
    this.releases.shift()?.();
    await settled();
  }

  private work(word: string, step: Step): Step | Promise<Step> {
    this.begun.push(word);
    if (word.includes('bad')) return { out: ['before it'], error: new AegisError('internal_error', 'bad') };
    if (!word.includes('!')) return step;
    return new Promise((resolve) => this.releases.push(() => resolve(step)));
  }
}

describe('work on what a source gives', () => {
  it('passes on at once what is done at once', () => {
    const site = new Site().send('a', 'b');
    expect(site.seen).toEqual(['a', 'b']);
    site.source.complete();
    expect(site.seen).toEqual(['a', 'b', 'end', 'complete']);
  });

  it('keeps the order where some of it takes longer, one at a time', async () => {
    const site = new Site().send('a', 'b!', 'c', 'd!', 'e');
    site.source.complete();
    expect(site.seen).toEqual(['a']);
    expect(site.begun).toEqual(['a', 'b!']);
    await site.release();
    expect(site.seen).toEqual(['a', 'b!', 'c']);
    await site.release();
    expect(site.seen).toEqual(['a', 'b!', 'c', 'd!', 'e', 'end', 'complete']);
  });

  it('ends once the last work is done, where that takes longer', async () => {
    const site = new Site('finish!').send('a');
    site.source.complete();
    expect(site.seen).toEqual(['a']);
    await site.release();
    expect(site.seen).toEqual(['a', 'end', 'complete']);
  });

  it('passes on what came before an error of the source, then the error, and nothing of a good end', async () => {
    const site = new Site().send('a!', 'b');
    site.source.error(new Error('cut'));
    expect(site.seen).toEqual([]);
    await site.release();
    expect(site.seen).toEqual(['a!', 'b', 'error: cut']);
    expect(site.begun).not.toContain('finish');
  });

  it('does nothing more after work that ends the answer', async () => {
    const site = new Site().send('a!', 'bad', 'never');
    await site.release();
    expect(site.seen).toEqual(['a!', 'before it', 'error: bad']);
    expect(site.begun).toEqual(['a!', 'bad']);
  });

  it('does nothing more for a reader who has left', async () => {
    const site = new Site().send('a!', 'b');
    site.leave();
    await site.release();
    expect(site.seen).toEqual([]);
    expect(site.begun).toEqual(['a!']);
  });
});
