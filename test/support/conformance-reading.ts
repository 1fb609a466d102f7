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
  | 'message_start twice'
  | 'several messages'
  | 'the last event without its blank line'
  | 'words after a finish';

type Json = Readonly<Record<string, unknown>>;

class Malformed extends Error {}

/** What a tool's arguments mean: none at all are an empty object. */
export function meaningOf(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

interface Event {
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

/** What a recorded body says, whatever came before it was cut. */
export function readRecorded(api: string, isStream: boolean, body: string): Reading {
  if (api === 'messages') return isStream ? new MessageStreamReading().read(body) : readMessage(body);
  return isStream ? new ChatStreamReading().read(body) : readCompletion(body);
}

abstract class StreamReading {
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
    if (!ENDS_BLANK.test(body)) this.oddities.add('the last event without its blank line');
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

interface Slot {
  key: unknown;
  id: unknown;
  name: string;
  arguments: string;
}

interface OpenChoice {
  index: number;
  finish: string | null;
  text: string;
  refusal: string;
  reasoning: string;
  slots: Slot[];
  functionCall: { name: string; arguments: string } | null;
}

class ChatStreamReading extends StreamReading {
  private readonly choices = new Map<number, OpenChoice>();

  protected take({ name, data }: Event): void {
    if (this.closed) return;
    if (data.trim() === '[DONE]') {
      this.closed = true;
      return;
    }
    const chunk = parseObject(data);
    if (isError(chunk) || name === 'error') {
      this.fail(chunk.error ?? chunk);
      return;
    }
    if (isRecord(chunk.usage)) this.usage = chunk.usage;
    if (!Array.isArray(chunk.choices)) {
      if (isRecord(chunk.usage) || chunk.choices === null || (name !== '' && name !== 'message')) return;
      throw new Malformed('an event that is no chunk');
    }
    chunk.choices.forEach((choice: unknown, position) => {
      if (!isRecord(choice)) throw new Malformed('a choice that is no object');
      this.takeChoice(choice, position);
    });
  }

  private takeChoice(choice: Json, position: number): void {
    const index = typeof choice.index === 'number' ? choice.index : position;
    const known = this.choices.get(index);
    const open: OpenChoice = known ?? {
      index,
      finish: null,
      text: '',
      refusal: '',
      reasoning: '',
      slots: [],
      functionCall: null,
    };
    this.choices.set(index, open);
    const delta = isRecord(choice.delta) ? choice.delta : {};
    const said = textsOf(delta);
    const calls = Array.isArray(delta.tool_calls) ? delta.tool_calls.filter(isRecord) : [];
    if (open.finish !== null && (said.text || said.refusal || said.reasoning || calls.length > 0)) {
      this.oddities.add('words after a finish');
    }
    open.text += said.text;
    open.refusal += said.refusal;
    open.reasoning += said.reasoning;
    for (const call of calls) this.takeCall(open.slots, call);
    if (isRecord(delta.function_call)) {
      open.functionCall ??= { name: '', arguments: '' };
      open.functionCall.name += asText(delta.function_call.name);
      open.functionCall.arguments += asText(delta.function_call.arguments);
    }
    if (typeof choice.finish_reason === 'string' && choice.finish_reason !== '') open.finish = choice.finish_reason;
    if (isGivingUp(open.finish)) this.fail({ message: open.finish });
  }

  /** A call is known by its id, else by its index; without both, a name begins a new one. */
  private takeCall(slots: Slot[], call: Json): void {
    const called = isRecord(call.function) ? call.function : isRecord(call.custom) ? call.custom : {};
    const id = asText(call.id);
    const name = asText(called.name);
    if (typeof call.index !== 'number') this.oddities.add('a tool call without an index');
    let slot = id === '' ? undefined : slots.find((candidate) => candidate.id === id);
    if (!slot && id === '') {
      slot =
        typeof call.index === 'number'
          ? slots.findLast((candidate) => candidate.key === call.index)
          : name === ''
            ? slots.at(-1)
            : undefined;
    }
    if (!slot) {
      slot = { key: call.index, id, name, arguments: '' };
      slots.push(slot);
    }
    const given = called.arguments ?? called.input;
    slot.arguments += isRecord(given) ? JSON.stringify(given) : asText(given);
  }

  protected isWhole(): boolean {
    const choices = [...this.choices.values()];
    return choices.length > 0 && (this.closed || choices.every(({ finish }) => finish !== null));
  }

  protected told(): ToldChoice[] {
    const choices = [...this.choices.values()].sort((first, second) => first.index - second.index);
    return choices.map(({ slots, functionCall, ...choice }) => ({
      ...choice,
      tools: slots.map((slot) => ({ name: slot.name, arguments: meaningOf(slot.arguments) })),
      functionCall: functionCall && { name: functionCall.name, arguments: meaningOf(functionCall.arguments) },
    }));
  }
}

class MessageStreamReading extends StreamReading {
  private starts = 0;
  private text = '';
  private reasoning = '';
  private refusal = '';
  private finish: string | null = null;
  private readonly tools: { readonly key: unknown; readonly name: string; readonly input: unknown; json: string }[] =
    [];

  protected take({ name, data }: Event): void {
    if (this.closed) {
      if (/"type":\s*"message_start"/.test(data)) this.oddities.add('several messages');
      return;
    }
    const event = parseObject(data);
    if (event.type === 'error' || name === 'error' || isRecord(event.error)) {
      this.fail(event.error ?? event);
      return;
    }
    if (event.type !== 'message_start' && event.type !== 'ping' && this.starts === 0 && isKnown(event.type)) {
      throw new Malformed('an event before message_start');
    }
    const delta = isRecord(event.delta) ? event.delta : {};
    switch (event.type) {
      case 'message_start':
        if (++this.starts > 1) this.oddities.add('message_start twice');
        this.count(isRecord(event.message) ? event.message.usage : null);
        return;
      case 'content_block_start': {
        const block = isRecord(event.content_block) ? event.content_block : {};
        if (block.type === 'text') this.text += asText(block.text);
        if (block.type === 'thinking') this.reasoning += asText(block.thinking);
        if (block.type === 'tool_use') {
          this.tools.push({ key: event.index, name: asText(block.name), input: block.input ?? {}, json: '' });
        }
        return;
      }
      case 'content_block_delta': {
        if (delta.type === 'text_delta') this.text += asText(delta.text);
        if (delta.type === 'thinking_delta') this.reasoning += asText(delta.thinking);
        const tool = this.tools.findLast(({ key }) => key === event.index);
        if (delta.type === 'input_json_delta' && tool) tool.json += asText(delta.partial_json);
        return;
      }
      case 'message_delta':
        this.count(event.usage);
        if (typeof delta.stop_reason === 'string') this.finish = delta.stop_reason;
        this.refusal += explanationOf(delta.stop_details);
        return;
      case 'message_stop':
        this.closed = true;
        return;
    }
  }

  private count(usage: unknown): void {
    if (!isRecord(usage)) return;
    this.usage = { ...this.usage, ...Object.fromEntries(Object.entries(usage).filter(([, count]) => count !== null)) };
  }

  protected isWhole(): boolean {
    return this.closed;
  }

  protected told(): ToldChoice[] {
    const { text, reasoning, refusal, finish } = this;
    const tools = this.tools.map(({ name, input, json }) => ({
      name,
      arguments: json === '' ? input : meaningOf(json),
    }));
    return [{ index: 0, finish, text, reasoning, refusal, tools, functionCall: null }];
  }
}

function readCompletion(body: string): Reading {
  return readWhole(body, (answer) => {
    if (!Array.isArray(answer.choices) || answer.choices.length === 0) return null;
    return answer.choices.filter(isRecord).map((choice, position) => {
      const message = isRecord(choice.message) ? choice.message : {};
      const calls = Array.isArray(message.tool_calls) ? message.tool_calls.filter(isRecord) : [];
      const finish = typeof choice.finish_reason === 'string' ? choice.finish_reason : null;
      return {
        index: typeof choice.index === 'number' ? choice.index : position,
        finish,
        ...textsOf(message),
        tools: calls.map((call) => toTool(call.function ?? call.custom)),
        functionCall: isRecord(message.function_call) ? toTool(message.function_call) : null,
      };
    });
  });
}

function readMessage(body: string): Reading {
  return readWhole(body, (answer) => {
    if (!Array.isArray(answer.content)) return null;
    const blocks = answer.content.filter(isRecord);
    const joined = (type: string, field: string): string =>
      blocks.map((block) => (block.type === type ? asText(block[field]) : '')).join('');
    const tools = blocks.filter(({ type }) => type === 'tool_use');
    return [
      {
        index: 0,
        finish: typeof answer.stop_reason === 'string' ? answer.stop_reason : null,
        text: joined('text', 'text'),
        reasoning: joined('thinking', 'thinking'),
        refusal: explanationOf(answer.stop_details),
        tools: tools.map(({ name, input }) => ({ name: asText(name), arguments: input ?? {} })),
        functionCall: null,
      },
    ];
  });
}

function readWhole(body: string, read: (answer: Json) => ToldChoice[] | null): Reading {
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

function toTool(called: unknown): ToldTool {
  if (!isRecord(called)) return { name: '', arguments: {} };
  const given = called.arguments ?? called.input;
  return { name: asText(called.name), arguments: isRecord(given) ? given : meaningOf(asText(given)) };
}

/** What a message or a delta says, in whichever field servers put it. */
function textsOf(message: Json): { text: string; refusal: string; reasoning: string } {
  const parts = Array.isArray(message.content) ? message.content : [];
  const text = typeof message.content === 'string' ? message.content : parts.map((part) => partText(part)).join('');
  const thought = parts.map((part) => (isRecord(part) ? thinkingText(part.thinking) : '')).join('');
  return {
    text,
    refusal: asText(message.refusal),
    reasoning:
      asText(message.reasoning_content) || asText(message.reasoning) || thought || partsText(message.reasoning_details),
  };
}

/** OpenRouter's parts of reasoning. */
function partsText(parts: unknown): string {
  if (!Array.isArray(parts)) return '';
  return parts.map((part) => partText(part) || (isRecord(part) ? asText(part.summary) : '')).join('');
}

function partText(part: unknown): string {
  return isRecord(part) ? asText(part.text) : asText(part);
}

function thinkingText(thinking: unknown): string {
  return Array.isArray(thinking) ? thinking.map((part) => partText(part)).join('') : asText(thinking);
}

function explanationOf(stopDetails: unknown): string {
  return isRecord(stopDetails) && stopDetails.type === 'refusal' ? asText(stopDetails.explanation) : '';
}

/** Finish reasons that say that the server gave up. */
function isGivingUp(finish: string | null): boolean {
  return finish !== null && ['error', 'abort', 'insufficient_system_resource'].includes(finish.toLowerCase());
}

function isKnown(type: unknown): boolean {
  return typeof type === 'string' && /^(message_|content_block_)/.test(type);
}

function isError(answer: Json): boolean {
  return (
    isRecord(answer.error) || typeof answer.error === 'string' || answer.object === 'error' || answer.type === 'error'
  );
}

function asError(error: unknown): Json {
  return isRecord(error) ? error : { message: asText(error) };
}

function parseObject(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Malformed('no JSON');
  }
  if (!isRecord(value)) throw new Malformed('no object');
  return value;
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
