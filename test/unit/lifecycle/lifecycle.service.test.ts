import { LifecycleService } from '../../../src/lifecycle/lifecycle.service.js';

const uncut = (): void => undefined;

describe('LifecycleService', () => {
  it('is idle at once where nothing is in flight', async () => {
    await expect(new LifecycleService().whenIdle(0)).resolves.toBe(true);
  });

  it('waits for the last request, not for the first', async () => {
    const lifecycle = new LifecycleService();
    const [endFirst, endSecond] = [lifecycle.requestStarted(uncut), lifecycle.requestStarted(uncut)];
    let idle = false;
    const waiting = lifecycle.whenIdle(60_000).then((result) => {
      idle = result;
    });
    endFirst();
    await Promise.resolve();
    expect([idle, lifecycle.inFlight]).toEqual([false, 1]);
    endSecond();
    await waiting;
    expect([idle, lifecycle.inFlight]).toEqual([true, 0]);
  });

  it('gives up when the time is up', async () => {
    const lifecycle = new LifecycleService();
    lifecycle.requestStarted(uncut);
    await expect(lifecycle.whenIdle(1)).resolves.toBe(false);
  });

  it('tells what is in flight to end when the time is up, but not what has ended', () => {
    const lifecycle = new LifecycleService();
    const told: string[] = [];
    lifecycle.requestStarted(({ code }) => told.push(`open: ${code}`));
    const end = lifecycle.requestStarted(() => told.push('ended'));
    end();
    lifecycle.enter('refusing');
    expect(told).toEqual([]);
    lifecycle.enter('cutting');
    expect(told).toEqual(['open: shutting_down']);
  });
});
