import { isObservable, Observable } from 'rxjs';

/** What becomes of an answer. */
export interface AnswerSteps<In, Out> {
  /** What is passed on in its place: now, later, or as another observable tells. Throwing fails the answer. */
  change(answer: In): Out | Promise<Out> | Observable<Out>;
  /** There is no answer, or `change` threw. Told before anybody else hears of it. */
  failed?(thrown: unknown): void;
  /** Once, whichever way it ended: answered, failed, or nobody waits any more. */
  ended?(): void;
}

/**
 * Passes on what becomes of the one answer that `source` gives. As `mergeMap`, `tap` and `finalize` behind one another;
 * but those are made for any number of answers, and together cost more than what is done with the one of a request.
 */
export function withAnswer<In, Out>(source: Observable<In>, steps: AnswerSteps<In, Out>): Observable<Out> {
  return new Observable<Out>((subscriber) => {
    let isAnswered = false;
    const fail = (thrown: unknown): void => {
      if (subscriber.closed) return;
      steps.failed?.(thrown);
      subscriber.error(thrown);
    };
    const pass = (answer: Out): void => {
      subscriber.next(answer);
      subscriber.complete();
    };
    if (steps.ended) subscriber.add(() => steps.ended?.());
    subscriber.add(
      source.subscribe({
        next: (answer) => {
          if (isAnswered) return;
          isAnswered = true;
          let changed: Out | Promise<Out> | Observable<Out>;
          try {
            changed = steps.change(answer);
          } catch (thrown) {
            fail(thrown);
            return;
          }
          if (changed instanceof Promise) changed.then(pass, fail);
          else if (!isObservable(changed)) pass(changed);
          else subscriber.add(changed.subscribe({ next: pass, error: fail, complete: () => subscriber.complete() }));
        },
        error: fail,
        complete: () => {
          if (!isAnswered) subscriber.complete();
        },
      }),
    );
  });
}
