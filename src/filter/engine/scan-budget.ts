/** The work a request's texts ask for is out of all proportion to their length. */
export class ScanBudgetExceededError extends Error {
  constructor() {
    super('the scan took more steps than its budget allows');
    this.name = 'ScanBudgetExceededError';
  }
}

const BASE_STEPS = 4_000_000;
const STEPS_PER_CHARACTER = 40;

/**
 * Bounds the work of one request in steps: a character read by the automaton is one, a pattern tried costs the
 * characters it could have read. Ordinary text takes 1 to 5 steps a character.
 */
export class ScanBudget {
  private spentSteps = 0;

  constructor(readonly limitSteps: number) {}

  static forCharacters(characters: number): ScanBudget {
    return new ScanBudget(BASE_STEPS + STEPS_PER_CHARACTER * characters);
  }

  get spent(): number {
    return this.spentSteps;
  }

  spend(steps: number): void {
    this.spentSteps += steps;
    if (this.spentSteps > this.limitSteps) throw new ScanBudgetExceededError();
  }
}
