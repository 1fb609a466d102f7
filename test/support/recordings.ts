import { existsSync, readFileSync } from 'node:fs';
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
  readonly ok?: boolean;
  readonly error?: {
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

/** Every recording of these APIs, each with its oracle. */
export function loadRecordings(folder: string, apis: readonly string[]): RecordedCase[] {
  const oracles = readFileSync(join(folder, 'oracle.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as OracleEntry & { readonly api: string });
  return oracles
    .filter(({ api }) => apis.includes(api))
    .map((oracle) => ({
      oracle,
      recording: JSON.parse(readFileSync(join(folder, 'cases', `${oracle.id}.json`), 'utf8')) as Recording,
    }));
}
