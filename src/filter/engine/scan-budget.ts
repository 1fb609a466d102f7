/** The work a request's texts ask for is out of all proportion to their length. */
export class ScanBudgetExceededError extends Error {
  constructor() {
    super('the scan took more steps than its budget allows');
    this.name = 'ScanBudgetExceededError';
  }
}

/** So many steps take well under a millisecond. */
const STEPS_PER_SLICE = 262_144;
/** A step is about a nanosecond: a short text has some more than a long one, whose share is several times what its like needs. */
const BASE_STEPS = 400_000;
const STEPS_PER_CHARACTER = 58;
/** More of them where numbers are looked at: a list of customers is nothing but values to find, and ordinary. */
const STEPS_PER_CHARACTER_WITH_NUMBERS = 100;

/**
 * Bounds the work of one request in steps of about a nanosecond: what each kind of work takes was measured. Ordinary text
 * takes 4 to 12 steps a character, with much to decode up to 45, a list of customers 110 where personal data is looked for.
 */
export class ScanBudget {
  private spentSteps = 0;
  private sliceEndSteps = STEPS_PER_SLICE;

  constructor(private limitSteps: number) {}

  static forCharacters(characters: number): ScanBudget {
    return new ScanBudget(BASE_STEPS + STEPS_PER_CHARACTER * characters);
  }

  get spent(): number {
    return this.spentSteps;
  }

  /** Allows what looking at the numbers of so many more characters takes. */
  allowNumbers(characters: number): void {
    this.limitSteps += STEPS_PER_CHARACTER_WITH_NUMBERS * characters;
  }

  spend(steps: number): void {
    this.spentSteps += steps;
    if (this.spentSteps > this.limitSteps) throw new ScanBudgetExceededError();
  }

  /** Whether enough was done since this was last true for other work to have its turn. */
  passedSlice(): boolean {
    if (this.spentSteps < this.sliceEndSteps) return false;
    this.sliceEndSteps = this.spentSteps + STEPS_PER_SLICE;
    return true;
  }
}
