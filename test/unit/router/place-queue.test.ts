import fc from 'fast-check';
import { PlaceQueue } from '../../../src/router/place-queue.js';

const never = new AbortController().signal;

describe('the places at a provider', () => {
  it('are given back to whoever has waited longest', async () => {
    const queue = new PlaceQueue();
    expect(queue.enter(1)).toBe(true);
    const served: string[] = [];
    const waiting = ['first', 'second'].map(async (name) => {
      if (await queue.enterOrWait(1, 10, 10_000, never)) served.push(name);
    });
    queue.leave();
    await waiting[0];
    expect(served).toEqual(['first']);
    queue.leave();
    await waiting[1];
    expect(served).toEqual(['first', 'second']);
    queue.leave();
    expect(queue.isIdle).toBe(true);
  });

  it('are not taken past those who wait', async () => {
    const queue = new PlaceQueue();
    queue.enter(1);
    const first = queue.enterOrWait(1, 10, 10_000, never);
    queue.leave();
    expect(queue.enter(1)).toBe(false);
    expect(await first).toBe(true);
  });

  it('are waited for by so many, and so long, and no longer', async () => {
    const queue = new PlaceQueue();
    queue.enter(1);
    const patient = queue.enterOrWait(1, 1, 20, never);
    expect(await queue.enterOrWait(1, 1, 10_000, never)).toBe(false);
    expect(await patient).toBe(false);
    queue.leave();
    expect(queue.isIdle).toBe(true);
  });

  it('are taken as soon as there are more of them, by those who wait first', async () => {
    const queue = new PlaceQueue();
    queue.enter(1);
    const first = queue.enterOrWait(1, 10, 10_000, never);
    const second = queue.enterOrWait(1, 10, 10_000, never);
    expect(queue.enter(3)).toBe(false);
    expect(await Promise.all([first, second])).toEqual([true, true]);
    expect(queue.enter(4)).toBe(true);
  });

  it('are not taken while there are fewer of them than before', async () => {
    const queue = new PlaceQueue();
    for (let place = 0; place < 3; place++) queue.enter(3);
    const waiting = queue.enterOrWait(1, 10, 10_000, never);
    let entered = false;
    void waiting.then(() => {
      entered = true;
    });
    queue.leave();
    queue.leave();
    await new Promise(setImmediate);
    expect(entered).toBe(false);
    queue.leave();
    expect(await waiting).toBe(true);
  });

  it('are not kept for one who left', async () => {
    const queue = new PlaceQueue();
    queue.enter(1);
    const leaving = new AbortController();
    const left = queue.enterOrWait(1, 10, 10_000, leaving.signal);
    leaving.abort();
    expect(await left).toBe(false);
    queue.leave();
    expect(queue.enter(1)).toBe(true);
  });

  it('are never more than there are, and none is lost', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.boolean(), { maxLength: 40 }),
        async (places, comes) => {
          const queue = new PlaceQueue();
          let inside = 0;
          const settling: Promise<void>[] = [];
          for (const enters of comes) {
            if (enters) {
              settling.push(
                queue.enterOrWait(places, 1_000, 10_000, never).then((entered) => {
                  expect(entered).toBe(true);
                  inside++;
                  expect(inside).toBeLessThanOrEqual(places);
                }),
              );
              await Promise.resolve();
            } else if (inside > 0) {
              inside--;
              queue.leave();
            }
            await new Promise(setImmediate);
          }
          for (let guard = 0; guard < 100 && !queue.isIdle; guard++) {
            await new Promise(setImmediate);
            if (inside > 0) {
              inside--;
              queue.leave();
            }
          }
          await Promise.all(settling);
          expect(queue.isIdle).toBe(true);
        },
      ),
      { numRuns: 50 },
    );
  });
});
