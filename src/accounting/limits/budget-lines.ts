import { setTimeout as delay } from 'node:timers/promises';

interface Line {
  /** Resolves as the last one in the line is through. */
  tail: Promise<void>;
  length: number;
  wake: AbortController;
}

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 100;

/**
 * Requests that wait because others under way hold the rest of a budget. One line a budget: only its first asks, the
 * others follow in the order they came.
 */
export class BudgetLines {
  private readonly lines = new Map<string, Line>();

  hasLine(name: string): boolean {
    return this.lines.has(name);
  }

  /** Something of the budget came free here: whoever waits need not wait for the next look. */
  wake(name: string): void {
    this.lines.get(name)?.wake.abort();
  }

  /**
   * Asks until `isSettled` says that the answer is one, or the signal ends the wait; returns the last answer, null
   * where there was no time for any.
   */
  async wait<T>(
    name: string,
    ask: () => Promise<T>,
    isSettled: (answer: T) => boolean,
    signal: AbortSignal,
  ): Promise<T | null> {
    const line = this.lines.get(name) ?? { tail: Promise.resolve(), length: 0, wake: new AbortController() };
    this.lines.set(name, line);
    line.length += 1;
    const turn = line.tail;
    let leave = (): void => undefined;
    line.tail = new Promise((resolve) => {
      leave = resolve;
    });
    try {
      await orAborted(turn, signal);
      return await this.askInTurn(line, ask, isSettled, signal);
    } finally {
      line.length -= 1;
      if (line.length === 0) this.lines.delete(name);
      // Who left early still holds a place: the next one's turn comes once all before are through.
      void turn.then(leave);
    }
  }

  private async askInTurn<T>(
    line: Line,
    ask: () => Promise<T>,
    isSettled: (answer: T) => boolean,
    signal: AbortSignal,
  ): Promise<T | null> {
    let answer: T | null = null;
    for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      line.wake = new AbortController();
      answer = await ask();
      if (isSettled(answer)) return answer;
      const either = AbortSignal.any([signal, line.wake.signal]);
      await delay(pauseMs * (0.5 + Math.random() / 2), undefined, { signal: either }).catch(() => undefined);
    }
    return answer;
  }
}

function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const onAbort = (): void => resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    void promise.then(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
  });
}
