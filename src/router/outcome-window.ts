/** The window slides in steps of a tenth of its length. */
const PARTS = 10;

interface Part {
  /** Which step of time since the clock's beginning it counts. */
  step: number;
  successes: number;
  failures: number;
}

const EMPTY: Readonly<Part> = { step: -1, successes: 0, failures: 0 };

/** How many attempts succeeded and failed lately. Takes the same memory however many they were. */
export class OutcomeWindow {
  private readonly parts: Part[] = Array.from({ length: PARTS }, () => ({ ...EMPTY }));

  constructor(readonly lengthMs: number) {}

  add(outcome: 'success' | 'failure', nowMs: number): void {
    const step = this.stepAt(nowMs);
    const part = this.parts[step % PARTS];
    if (!part) return;
    if (part.step !== step) Object.assign(part, { step, successes: 0, failures: 0 });
    if (outcome === 'success') part.successes++;
    else part.failures++;
  }

  count(nowMs: number): { readonly failures: number; readonly total: number } {
    const oldest = this.stepAt(nowMs) - PARTS;
    let failures = 0;
    let total = 0;
    for (const part of this.parts) {
      if (part.step <= oldest) continue;
      failures += part.failures;
      total += part.failures + part.successes;
    }
    return { failures, total };
  }

  clear(): void {
    for (const part of this.parts) Object.assign(part, EMPTY);
  }

  private stepAt(nowMs: number): number {
    return Math.floor((nowMs * PARTS) / this.lengthMs);
  }
}
