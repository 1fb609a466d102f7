import { LifecycleService } from '../../../src/lifecycle/lifecycle.service.js';

describe('LifecycleService', () => {
  it('is idle at once where nothing is in flight', async () => {
    await expect(new LifecycleService().whenIdle(0)).resolves.toBe(true);
  });

  it('waits for the last request, not for the first', async () => {
    const lifecycle = new LifecycleService();
    lifecycle.requestStarted();
    lifecycle.requestStarted();
    let idle = false;
    const waiting = lifecycle.whenIdle(60_000).then((result) => {
      idle = result;
    });
    lifecycle.requestEnded();
    await Promise.resolve();
    expect(idle).toBe(false);
    lifecycle.requestEnded();
    await waiting;
    expect(idle).toBe(true);
  });

  it('gives up when the time is up', async () => {
    const lifecycle = new LifecycleService();
    lifecycle.requestStarted();
    await expect(lifecycle.whenIdle(1)).resolves.toBe(false);
  });

  it('tells open streams to end when the time is up', () => {
    const lifecycle = new LifecycleService();
    expect(lifecycle.cutSignal.aborted).toBe(false);
    lifecycle.enter('cutting');
    expect(lifecycle.cutSignal.aborted).toBe(true);
  });
});
