import { SharedFlow } from '../../../../src/filter/stream/shared-flow.js';

/** A source that says whether it flows. */
class Source {
  isFlowing = true;
  pause(): void {
    this.isFlowing = false;
  }
  resume(): void {
    this.isFlowing = true;
  }
}

describe('a source that two may slow', () => {
  it('stands still while a search has fallen behind, and flows on with the last of them', async () => {
    const source = new Source();
    const flow = new SharedFlow(source);
    let endFirst: () => void = () => undefined;
    const first = flow.during(new Promise<void>((resolve) => (endFirst = resolve)));
    const second = flow.during(Promise.reject(new Error('blocked')));
    await expect(second).rejects.toThrow('blocked');
    expect(source.isFlowing).toBe(false);
    endFirst();
    await first;
    expect(source.isFlowing).toBe(true);
  });

  it('stands still while its reader is slow, whatever a search does meanwhile', async () => {
    const source = new Source();
    const flow = new SharedFlow(source);
    flow.pause();
    await flow.during(Promise.resolve());
    expect(source.isFlowing).toBe(false);
    flow.resume();
    expect(source.isFlowing).toBe(true);
  });

  it('stands still while a search goes on, though its reader is ready', async () => {
    const source = new Source();
    const flow = new SharedFlow(source);
    const search = flow.during(new Promise((resolve) => setImmediate(resolve)));
    flow.resume();
    expect(source.isFlowing).toBe(false);
    await search;
    expect(source.isFlowing).toBe(true);
  });
});
