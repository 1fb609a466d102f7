import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const ROW = /^row (\d+): (.*)$/;
const RESULT = { passed: 'ok', failed: 'FAILED', pending: 'not run' };

/** Closes a run that had tests of kind `faults` with one table: row, failure, result, ms and what the test noted. */
export default class FaultTableReporter {
  #folder;
  #filtered;

  constructor(globalConfig) {
    this.#filtered = Boolean(globalConfig.testNamePattern);
  }

  onRunStart() {
    this.#folder = mkdtempSync(path.join(tmpdir(), 'aegis-faults-'));
    // The workers inherit it; `note` of test/faults/support writes there.
    process.env.AEGIS_FAULT_NOTES = path.join(this.#folder, 'notes.jsonl');
  }

  onRunComplete(_contexts, { testResults }) {
    const notes = this.#readNotes();
    const lines = testResults
      .flatMap((file) => file.testResults)
      .flatMap(({ title, fullName, status, duration }) => {
        const [, row, failure] = ROW.exec(title) ?? [];
        if (row === undefined || (this.#filtered && status === 'pending')) return [];
        return [[row, failure, RESULT[status] ?? status, String(Math.round(duration ?? 0)), notes.get(fullName) ?? '']];
      })
      .sort(([a], [b]) => Number(a) - Number(b));
    if (lines.length === 0) return;
    console.log(`\n${table(['row', 'failure', 'result', 'ms', 'note'], lines)}`);
    const rows = new Set(lines.map(([row]) => row));
    const failed = new Set(lines.filter(([, , result]) => result === RESULT.failed).map(([row]) => row));
    console.log(`\n${rows.size} rows, ${rows.size - failed.size} hold, ${failed.size} do not`);
  }

  #readNotes() {
    const file = process.env.AEGIS_FAULT_NOTES ?? '';
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    rmSync(this.#folder, { recursive: true, force: true });
    const entries = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
    const notes = new Map();
    for (const { test, note } of entries) notes.set(test, notes.has(test) ? `${notes.get(test)}; ${note}` : note);
    return notes;
  }
}

function table(header, lines) {
  const widths = header.map((name, column) => Math.max(name.length, ...lines.map((line) => line[column].length)));
  const format = (line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd();
  return [format(header), format(widths.map((width) => '-'.repeat(width))), ...lines.map(format)].join('\n');
}
