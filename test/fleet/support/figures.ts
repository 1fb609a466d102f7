import { appendFileSync } from 'node:fs';

/** Adds a line to the table that `npm run test:fleet` closes with. Without a promise it is told only. */
export function tell(what: string, figure: string | number, promise = '', isKept = true): void {
  const file = process.env.AEGIS_FLEET_FIGURES;
  const part = expect.getState().currentTestName ?? '';
  if (file) appendFileSync(file, `${JSON.stringify({ part, what, figure: String(figure), promise, isKept })}\n`);
  else process.stdout.write(`${what}: ${figure} (${promise})\n`);
}

/** As `tell`; the test goes on, and fails at its end. */
export class Promises {
  private readonly broken: string[] = [];

  check(what: string, figure: string | number, promise: string, isKept: boolean): void {
    tell(what, figure, promise, isKept);
    if (!isKept) this.broken.push(`${what}: ${figure}, promised ${promise}`);
  }

  expectKept(): void {
    expect(this.broken).toEqual([]);
  }
}
