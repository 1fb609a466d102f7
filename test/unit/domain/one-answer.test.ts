import { concat, EMPTY, NEVER, Observable, of, Subject, throwError } from 'rxjs';
import { type AnswerSteps, withAnswer } from '../../../src/domain/one-answer.js';

/** All that is told of an answer, in order. */
function listen<In, Out>(source: Observable<In>, steps: AnswerSteps<In, Out>) {
  const heard: unknown[] = [];
  const subscription = withAnswer(source, {
    ...steps,
    failed: (thrown) => {
      heard.push(['failed', thrown]);
      steps.failed?.(thrown);
    },
    ended: () => heard.push('ended'),
  }).subscribe({
    next: (value) => heard.push(value),
    error: (thrown: unknown) => heard.push(['error', thrown]),
    complete: () => heard.push('complete'),
  });
  return { heard, subscription };
}

const double = (value: number): number => value * 2;

describe('withAnswer', () => {
  it('passes on what becomes of the answer, and ends once with it', () => {
    expect(listen(of(4), { change: double }).heard).toEqual([8, 'complete', 'ended']);
  });

  it('passes on what comes later, as a promise and as an observable', async () => {
    const later = listen(of(4), { change: (value) => Promise.resolve(value * 2) });
    expect(later.heard).toEqual([]);
    await new Promise(setImmediate);
    expect(later.heard).toEqual([8, 'complete', 'ended']);

    const inner = new Subject<string>();
    const told = listen(of(4), { change: () => inner });
    expect(told.heard).toEqual([]);
    inner.next('whole');
    expect(told.heard).toEqual(['whole', 'complete', 'ended']);
    expect(inner.observed).toBe(false);
  });

  it('says that there is no answer before anybody else hears of it', () => {
    const fault = new Error('no answer');
    const heard = [['failed', fault], ['error', fault], 'ended'];
    expect(
      listen(
        throwError(() => fault),
        { change: double },
      ).heard,
    ).toEqual(heard);
    const refuse = (): never => {
      throw fault;
    };
    expect(listen(of(4), { change: refuse }).heard).toEqual(heard);
    expect(listen(of(4), { change: () => throwError(() => fault) }).heard).toEqual(heard);
  });

  it('says so, too, where a promise fails', async () => {
    const fault = new Error('no answer');
    const { heard } = listen(of(4), { change: () => Promise.reject(fault) });
    await new Promise(setImmediate);
    expect(heard).toEqual([['failed', fault], ['error', fault], 'ended']);
  });

  it('completes where there was nothing to pass on', () => {
    expect(listen(EMPTY as Observable<number>, { change: double }).heard).toEqual(['complete', 'ended']);
    expect(listen(of(4), { change: () => EMPTY }).heard).toEqual(['complete', 'ended']);
  });

  it('takes one answer and no more, and lets go of its source then', () => {
    expect(listen(of(4, 5), { change: double }).heard).toEqual([8, 'complete', 'ended']);
    let isFree = false;
    const source = concat(of(4), NEVER);
    const watched = new Observable<number>((subscriber) => {
      const inner = source.subscribe(subscriber);
      return () => {
        isFree = true;
        inner.unsubscribe();
      };
    });
    listen(watched, { change: double });
    expect(isFree).toBe(true);
  });

  it('lets go of the source, and of what comes later, when nobody waits any more', async () => {
    const source = new Subject<number>();
    const early = listen(source, { change: double });
    early.subscription.unsubscribe();
    expect(source.observed).toBe(false);
    expect(early.heard).toEqual(['ended']);

    const inner = new Subject<string>();
    const late = listen(of(4), { change: () => inner });
    late.subscription.unsubscribe();
    expect(inner.observed).toBe(false);
    expect(late.heard).toEqual(['ended']);

    const promised = listen(of(4), { change: (value) => Promise.resolve(value) });
    promised.subscription.unsubscribe();
    const failing = listen(of(4), { change: () => Promise.reject(new Error('too late')) });
    failing.subscription.unsubscribe();
    await new Promise(setImmediate);
    expect(promised.heard).toEqual(['ended']);
    expect(failing.heard).toEqual(['ended']);
  });
});
