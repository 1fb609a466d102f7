import { appendFileSync } from 'node:fs';

/** Adds a few words or a figure to the running test's line in the table that closes the run. */
export function note(text: string): void {
  const file = process.env.AEGIS_FAULT_NOTES;
  const test = expect.getState().currentTestName;
  if (file && test) appendFileSync(file, `${JSON.stringify({ test, note: text })}\n`);
}

/** What rows ask of the ledger is asked of the request's record: its log line and its counters. */
export const NO_LEDGER = 'ledger: later; metrics instead';
