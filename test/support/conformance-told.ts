/**
 * A second opinion on what a recording says, taken from its bytes alone and written without a look at AEGIS's own
 * readers. It is used where the oracle is silent, where the SDK behind the oracle loses something, and to tell whether
 * a part of a stream already holds the whole.
 */

export interface ToldTool {
  readonly name: string;
  /** What the arguments mean as JSON; the text itself where they are none. */
  readonly arguments: unknown;
}

/** One choice, by what it says. An absent text is an empty one. */
export interface ToldChoice {
  readonly index: number;
  readonly finish: string | null;
  readonly text: string;
  readonly refusal: string;
  readonly reasoning: string;
  readonly tools: readonly ToldTool[];
  /** The older way of calling a tool. */
  readonly functionCall: ToldTool | null;
}

/**
 * - `whole`: all was said, and the bytes say so.
 * - `cut`: the bytes end before that.
 * - `failed`: the provider reports an error in place of the rest.
 * - `malformed`: something is none of the format's.
 */
export type ReadingState = 'whole' | 'cut' | 'failed' | 'malformed';

export interface Reading {
  readonly state: ReadingState;
  readonly choices: readonly ToldChoice[];
  readonly usage: Readonly<Record<string, unknown>> | null;
  /** The error in place of the rest, as the provider spells it. */
  readonly error: Readonly<Record<string, unknown>> | null;
  /** Whether the stream's last word came: `[DONE]`, `message_stop`. */
  readonly closed: boolean;
  /** What is peculiar about the bytes. */
  readonly oddities: ReadonlySet<Oddity>;
}

export type Oddity =
  | 'a tool call without an index'
  | 'tool calls that share an index'
  | 'message_start twice'
  | 'several messages'
  | 'the last event without its blank line'
  | 'words after a finish';

export type Json = Readonly<Record<string, unknown>>;

export class Malformed extends Error {}

/** What a tool's arguments mean: none at all are an empty object. */
export function meaningOf(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export interface Event {
  readonly name: string;
  readonly data: string;
}

const BLANK_LINE = /\n?\r\n\r\n|\n\r?\n|\r\r/g;
const ENDS_BLANK = /(?:\r\n\r\n|\n\r?\n|\r\r)\s*$/;

/** The events of a stream; a last one without its blank line counts. */
export function eventsOf(body: string): Event[] {
  const blocks = body
    .replace(/^\uFEFF/, '')
    .replace(/\r\n?/g, '\n')
    .split(/\n\n+/);
  return blocks.flatMap((block) => {
    const fields = block.split('\n').map((line) => {
      const [, name = '', value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
      return { name, value };
    });
    const data = fields.filter(({ name }) => name === 'data').map(({ value }) => value);
    const name = fields.findLast((field) => field.name === 'event')?.value ?? '';
    return data.length === 0 ? [] : [{ name, data: data.join('\n') }];
  });
}

/** Up to where the bytes stand between two events, in characters. */
export function eventBorders(body: string): number[] {
  return [...body.matchAll(BLANK_LINE)].map((border) => border.index + border[0].length);
}

/** Whether the last event is followed by a blank line. */
export function endsBlank(body: string): boolean {
  return ENDS_BLANK.test(body);
}

/** Reads events up to the first error; what they mean is for the two formats to say. */
export abstract class StreamReading {
  protected usage: Json | null = null;
  protected closed = false;
  protected readonly oddities = new Set<Oddity>();
  private error: Json | null = null;

  read(body: string): Reading {
    let state: ReadingState | null = null;
    try {
      for (const event of eventsOf(body)) {
        if (event.data.trim() !== '') this.take(event);
        if (this.error) break;
      }
    } catch (thrown) {
      if (!(thrown instanceof Malformed)) throw thrown;
      state = 'malformed';
    }
    if (!endsBlank(body)) this.oddities.add('the last event without its blank line');
    const { usage, error, closed, oddities } = this;
    state ??= error ? 'failed' : this.isWhole() ? 'whole' : 'cut';
    return { state, choices: this.told(), usage, error, closed, oddities };
  }

  protected abstract take(event: Event): void;
  protected abstract isWhole(): boolean;
  protected abstract told(): ToldChoice[];

  protected fail(error: unknown): void {
    this.error = asError(error);
  }
}

/** A body that is one JSON value; `read` gives null where it is no answer. */
export function readWhole(body: string, read: (answer: Json) => ToldChoice[] | null): Reading {
  const nothing = { choices: [], usage: null, error: null, closed: false, oddities: new Set<Oddity>() };
  let answer: Json;
  try {
    answer = parseObject(body);
  } catch (thrown) {
    if (!(thrown instanceof Malformed)) throw thrown;
    return { ...nothing, state: 'malformed' };
  }
  if (isError(answer)) return { ...nothing, state: 'failed', error: asError(answer.error ?? answer) };
  const choices = read(answer);
  if (choices === null) return { ...nothing, state: 'malformed', error: answer };
  const failed = choices.find(({ finish }) => isGivingUp(finish));
  if (failed) return { ...nothing, state: 'failed', error: { message: failed.finish } };
  return { ...nothing, state: 'whole', choices, usage: isRecord(answer.usage) ? answer.usage : null, closed: true };
}

/** Finish reasons that say that the server gave up. */
export function isGivingUp(finish: string | null): boolean {
  return finish !== null && ['error', 'abort', 'insufficient_system_resource'].includes(finish.toLowerCase());
}

export function isError(answer: Json): boolean {
  return (
    isRecord(answer.error) || typeof answer.error === 'string' || answer.object === 'error' || answer.type === 'error'
  );
}

export function asError(error: unknown): Json {
  return isRecord(error) ? error : { message: asText(error) };
}

export function parseObject(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Malformed('no JSON');
  }
  if (!isRecord(value)) throw new Malformed('no object');
  return value;
}

export function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function asText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
