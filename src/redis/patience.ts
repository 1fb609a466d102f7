/** Into how many parts a wait is cut. */
const PARTS = 5;

/**
 * Calls `giveUp` once so much time is over, unless `cancel` is called before. Only time counts in which an answer would
 * have been read: a process that was busy for a while takes that for one part of the wait, reads what has arrived
 * meanwhile, and waits for the others.
 */
export class Patience {
  private timer: NodeJS.Timeout;
  private passedParts = 0;

  constructor(
    private readonly patienceMs: number,
    private readonly giveUp: () => void,
  ) {
    this.timer = this.wait();
  }

  cancel(): void {
    clearTimeout(this.timer);
  }

  private wait(): NodeJS.Timeout {
    return setTimeout(
      () => {
        this.passedParts += 1;
        if (this.passedParts > PARTS) this.giveUp();
        // The last part takes no time, but what has arrived is read before it ends.
        else this.timer = this.wait();
      },
      this.passedParts < PARTS ? this.patienceMs / PARTS : 0,
    );
  }
}

/** The answer, or an error where it takes longer. */
export function withinPatience<T>(answer: Promise<T>, patienceMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const patience = new Patience(patienceMs, () => reject(new Error(`no answer within ${patienceMs} ms`)));
    answer.then(resolve, reject).finally(() => patience.cancel());
  });
}
