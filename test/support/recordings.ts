import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Where the shared test material lies; null where it is absent, so that suites can report themselves as skipped. */
export function findShared(part: string): string | null {
  const folder = process.env.AEGIS_SHARED_DIR ?? resolve(process.cwd(), '../shared');
  const path = join(folder, part);
  return existsSync(path) ? path : null;
}

/** An answer of a real provider as it came over the wire, or one spliced together from such. */
export interface Recording {
  readonly id: string;
  readonly provider: string;
  readonly api: string;
  readonly stream: boolean;
  readonly status: number;
  readonly features: readonly string[];
  readonly request: { readonly body_text?: string | null } | null;
  readonly replay_headers: Readonly<Record<string, string>>;
  readonly body_text: string;
}

/** What the provider's official SDK makes of a recording. */
export interface OracleEntry {
  readonly id: string;
  readonly api: string;
  readonly provider?: string;
  /** Nobody asked the SDK. */
  readonly skip?: boolean;
  readonly ok?: boolean;
  readonly error?: {
    readonly class?: string;
    readonly status: number | null;
    readonly type: string | null;
    readonly code: string | number | null;
    readonly message: string;
  };
  readonly usage?: Readonly<Record<string, unknown>> | null;
  /** Chat completions. */
  readonly choices?: readonly {
    readonly index: number;
    readonly finish_reason: string | null;
    readonly text: string | null;
    readonly refusal: string | null;
    readonly reasoning: string | null;
    readonly tools: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
  }[];
  /** Anthropic's messages. */
  readonly stop_reason?: string | null;
  readonly text?: string;
  readonly thinking?: string;
  readonly tools?: readonly { readonly id: string; readonly name: string; readonly input: unknown }[];
}

export interface RecordedCase {
  readonly recording: Recording;
  readonly oracle: OracleEntry;
}

/** A recording that cannot be used as it lies there, and why. */
export interface UnusableCase {
  readonly id: string;
  readonly api: string;
  readonly provider: string;
  readonly kind: string;
  readonly problem: string;
}

/** All that a set of recordings holds of some APIs, what is amiss with it included. */
export interface RecordedSet {
  readonly cases: readonly RecordedCase[];
  readonly unusable: readonly UnusableCase[];
}

/** Every recording of these APIs, each with its oracle. */
export function loadRecordings(folder: string, apis: readonly string[]): readonly RecordedCase[] {
  return readRecordedSet(folder, apis).cases;
}

/**
 * Reads `index.tsv`, `oracle.jsonl` and `cases/ID.json`. A recording that one of them names and another lacks, or that
 * cannot be read, is unusable and stops nothing else.
 */
export function readRecordedSet(folder: string, apis: readonly string[]): RecordedSet {
  const cases: RecordedCase[] = [];
  const unusable: UnusableCase[] = [];
  const index = attempt(() => readIndex(join(folder, 'index.tsv')));
  const oracles = attempt(() => readOracles(join(folder, 'oracle.jsonl')));
  const files = attempt(() => readdirSync(join(folder, 'cases')));
  const whole = { api: '-', provider: '-', kind: '-' };
  for (const [id, part] of Object.entries({ 'index.tsv': index, 'oracle.jsonl': oracles, cases: files })) {
    if (part.problem !== null) unusable.push({ id, ...whole, problem: part.problem });
  }
  for (const problem of oracles.value?.problems ?? []) unusable.push({ id: 'oracle.jsonl', ...whole, problem });

  const known = oracles.value?.entries ?? new Map<string, OracleEntry>();
  const rows = index.value ?? new Map<string, IndexRow>();
  const fileIds = (files.value ?? []).filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5));
  for (const id of new Set([...rows.keys(), ...known.keys(), ...fileIds])) {
    const row = rows.get(id);
    const oracle = known.get(id);
    const stated = row?.api ?? oracle?.api;
    if (stated !== undefined && !apis.includes(stated)) continue;
    const read = attempt(() => readRecording(join(folder, 'cases', `${id}.json`)));
    const api = stated ?? read.value?.api ?? '-';
    if (api !== '-' && !apis.includes(api)) continue;
    const place = { id, api, provider: row?.provider ?? oracle?.provider ?? '-', kind: row?.kind ?? '-' };
    if (read.value === null) unusable.push({ ...place, problem: read.problem ?? 'cannot be read' });
    else if (!oracle) unusable.push({ ...place, problem: 'oracle.jsonl has no line for it' });
    else cases.push({ recording: read.value, oracle });
  }
  return { cases, unusable };
}

interface IndexRow {
  readonly provider: string;
  readonly api: string;
  readonly kind: string;
}

function readIndex(path: string): Map<string, IndexRow> {
  const [header = '', ...lines] = readFileSync(path, 'utf8').trim().split(/\r?\n/);
  const columns = header.split('\t');
  const rows = lines.map((line) => {
    const cells = line.split('\t');
    const cell = (name: string): string => cells[columns.indexOf(name)] ?? '-';
    return [cell('id'), { provider: cell('provider'), api: cell('api'), kind: cell('kind') }] as const;
  });
  return new Map(rows);
}

function readOracles(path: string): { entries: Map<string, OracleEntry>; problems: string[] } {
  const entries = new Map<string, OracleEntry>();
  const problems: string[] = [];
  const lines = readFileSync(path, 'utf8').split('\n');
  lines.forEach((line, position) => {
    if (line.trim() === '') return;
    const entry = attempt(() => JSON.parse(line) as OracleEntry);
    if (entry.value && typeof entry.value.id === 'string') entries.set(entry.value.id, entry.value);
    else problems.push(`line ${position + 1} is no entry${entry.problem === null ? '' : `: ${entry.problem}`}`);
  });
  return { entries, problems };
}

function readRecording(path: string): Recording {
  const recording = JSON.parse(readFileSync(path, 'utf8')) as Recording;
  const lacking = [
    typeof recording.body_text === 'string' ? '' : 'body_text',
    Number.isInteger(recording.status) ? '' : 'status',
    typeof recording.stream === 'boolean' ? '' : 'stream',
    typeof recording.api === 'string' ? '' : 'api',
    typeof recording.provider === 'string' ? '' : 'provider',
  ].filter((name) => name !== '');
  if (lacking.length > 0) throw new Error(`the case lacks ${lacking.join(', ')}`);
  return { ...recording, replay_headers: recording.replay_headers ?? {}, features: recording.features ?? [] };
}

function attempt<T>(read: () => T): { readonly value: T | null; readonly problem: string | null } {
  try {
    return { value: read(), problem: null };
  } catch (thrown) {
    return { value: null, problem: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}
