import { Observable } from 'rxjs';
import type { AegisError } from '../../domain/errors.js';

/** What came of a piece of work: what may go out, and the error that ends everything after it. */
export interface Step {
  readonly out: readonly string[];
  readonly error: AegisError | null;
}

type Work = Step | Promise<Step>;

/**
 * Works on what the source gives, one after the other, and passes on what comes of it; at its end comes what `finish`
 * makes. Work never throws or rejects. What is done at once costs no observable of its own.
 */
export function inOrder<T>(
  source: Observable<T>,
  work: (item: T) => Work,
  finish: () => Work,
): Observable<readonly string[]> {
  return new Observable((subscriber) => {
    const waiting: T[] = [];
    let isBusy = false;
    let end: (() => void) | null = null;

    const pass = ({ out, error }: Step): void => {
      if (out.length > 0) subscriber.next(out);
      if (error) subscriber.error(error);
    };
    const take = (step: Work): void => {
      if (!(step instanceof Promise)) {
        pass(step);
        return;
      }
      isBusy = true;
      void step.then((done) => {
        isBusy = false;
        pass(done);
        advance();
      });
    };
    const advance = (): void => {
      while (!isBusy && !subscriber.closed && waiting.length > 0) take(work(waiting.shift() as T));
      if (isBusy || subscriber.closed || end === null) return;
      const last = end;
      end = null;
      last();
    };
    const conclude = (step: Step): void => {
      pass(step);
      subscriber.complete();
    };

    return source.subscribe({
      next: (item) => {
        if (isBusy || waiting.length > 0) waiting.push(item);
        else take(work(item));
      },
      // What came before it goes out before it.
      error: (thrown: unknown) => {
        end = () => subscriber.error(thrown);
        advance();
      },
      complete: () => {
        end = () => {
          const step = finish();
          if (step instanceof Promise) void step.then(conclude);
          else conclude(step);
        };
        advance();
      },
    });
  });
}
