import { isObject } from '../../domain/json.js';
import { findText, invalidAnswer } from './json-answer.js';
import { argumentsText } from './openai-repair.js';

/** Far more calls than any answer has. */
const MAX_TOOL_CALLS = 1_000;
/** As much of a call's arguments as is remembered to know a repetition by. */
const MAX_REMEMBERED_LENGTH = 64 * 1024;

const BEGINS_WITH_KEY = /^\{\s*"[^\s,:}\]]/;
const MAY_TAKE_VALUE = /[:[,]\s*$/;

interface ToolCall {
  readonly id: string;
  /** The id the server gave it, which it may give to another call too. */
  readonly upstreamId: string | undefined;
  readonly name: string;
  hasArguments: boolean;
  /** True once all of its arguments came again with a piece: this server always does that. */
  repeats: boolean;
  /** The arguments so far; null once they are too long to remember. */
  text: string | null;
  readonly progress: ObjectProgress;
}

/** What a delta says of the call it belongs to. */
interface Stated {
  readonly index: number | undefined;
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly text: string;
}

/**
 * The tool calls of one streamed choice, in OpenAI's order: they count from 0, each has an id and a name that are said
 * once, and its arguments are pieces that join to one JSON text. Servers omit or repeat indexes, give a new id with
 * each piece, and send all arguments so far instead of the next piece.
 */
export class StreamedToolCalls {
  private readonly calls: ToolCall[] = [];
  /** The server's index → the place of the call it stands for now. Most answers call nothing, and make no map. */
  private places: Map<number, number> | null = null;

  constructor(private readonly idPrefix: string) {}

  get count(): number {
    return this.calls.length;
  }

  /** The places of calls that were never given any arguments. */
  withoutArguments(): number[] {
    return [...this.calls.keys()].filter((place) => this.calls[place]?.hasArguments === false);
  }

  /** Brings the calls of one delta to that order, in place. True where anything changed. */
  repair(deltas: readonly unknown[]): boolean {
    let changed = false;
    for (const delta of deltas) {
      if (!isObject(delta)) throw invalidAnswer('a tool call that is no object');
      if (delta.type === 'custom' || isObject(delta.custom)) continue;
      changed = this.repairCall(delta) || changed;
    }
    return changed;
  }

  private repairCall(delta: Record<string, unknown>): boolean {
    const called = isObject(delta.function) ? delta.function : {};
    let changed = called !== delta.function;
    delta.function = called;

    const stated: Stated = {
      index: typeof delta.index === 'number' ? delta.index : undefined,
      id: findText(delta.id),
      name: findText(called.name),
      text: argumentsText(called.arguments),
    };
    const known = this.findPlace(stated);
    const place = known ?? this.begin(stated);
    const call = this.calls[place];
    if (!call) return changed;
    if (delta.index !== place) {
      delta.index = place;
      changed = true;
    }
    if (known === undefined) {
      if (delta.id !== call.id || delta.type !== 'function' || called.name !== call.name) {
        delta.id = call.id;
        delta.type = 'function';
        called.name = call.name;
        changed = true;
      }
    } else if ('id' in delta || 'type' in delta || 'name' in called) {
      // Said once: clients that join deltas would join the repetitions too.
      delete delta.id;
      delete delta.type;
      delete called.name;
      changed = true;
    }
    if (called.arguments !== undefined || known === undefined) {
      const piece = addArguments(call, stated.text);
      if (called.arguments !== piece) {
        called.arguments = piece;
        changed = true;
      }
    }
    return changed;
  }

  /** The place of the call that a delta continues; undefined where it begins one. */
  private findPlace({ index, id, name, text }: Stated): number | undefined {
    const known = index === undefined ? undefined : this.places?.get(index);
    if (id !== undefined) {
      if (known !== undefined && this.calls[known]?.upstreamId === id) return known;
      const place = this.calls.findIndex((call) => call.upstreamId === id);
      // The same id beside another index and a name: a call of its own, from a server that has one id for all.
      if (place !== -1 && !(index !== undefined && known === undefined && name !== undefined)) return place;
      // Another id without a name: some servers make a new one for each piece.
      return name === undefined ? known : undefined;
    }
    const place = known ?? (index === undefined && this.calls.length > 0 ? this.calls.length - 1 : undefined);
    const call = place === undefined ? undefined : this.calls[place];
    if (!call) return undefined;
    if (name !== undefined && name !== call.name) return undefined;
    if (name !== undefined && index === undefined) return isUnfinished(call) ? place : undefined;
    if (repeatsAll(call, text)) return place;
    // Whole arguments after whole arguments: the next call, under an index that does not move.
    return call.progress.isWhole && isWholeObject(text) ? undefined : place;
  }

  private begin({ index, id, name }: Stated): number {
    const place = this.calls.length;
    if (place === MAX_TOOL_CALLS) throw invalidAnswer(`more than ${MAX_TOOL_CALLS} tool calls`);
    const before = index === undefined ? undefined : this.calls[this.places?.get(index) ?? -1];
    const isTaken = id !== undefined && this.calls.some((call) => call.id === id);
    this.calls.push({
      id: id === undefined || isTaken ? `${this.idPrefix}_${place}` : id,
      upstreamId: id,
      name: name ?? before?.name ?? '',
      hasArguments: false,
      repeats: false,
      text: '',
      progress: new ObjectProgress(),
    });
    if (index !== undefined) {
      this.places ??= new Map();
      this.places.set(index, place);
    }
    return place;
  }
}

/** How far the pieces of a JSON object have come, without parsing all of them again at each one. */
class ObjectProgress {
  private depth = 0;
  private begun = false;
  private inString = false;
  private escaped = false;

  get isWhole(): boolean {
    return this.begun && this.depth === 0;
  }

  read(piece: string): void {
    for (const character of piece) {
      if (this.escaped) this.escaped = false;
      else if (this.inString && character === '\\') this.escaped = true;
      else if (character === '"') this.inString = !this.inString;
      else if (!this.inString) this.readStructure(character);
    }
  }

  private readStructure(character: string): void {
    if (character === '{' || character === '[') {
      this.begun = true;
      this.depth++;
    } else if (character === '}' || character === ']') {
      this.depth--;
    }
  }
}

/** What is new in `text`, which may be the next piece or all of the arguments so far. */
function addArguments(call: ToolCall, text: string): string {
  if (repeatsAll(call, text)) call.repeats = true;
  const piece = call.repeats && call.text !== null && text.startsWith(call.text) ? text.slice(call.text.length) : text;
  if (piece !== '') call.hasArguments = true;
  call.progress.read(piece);
  if (call.text !== null) {
    call.text = call.text.length + piece.length > MAX_REMEMBERED_LENGTH ? null : call.text + piece;
  }
  return piece;
}

/**
 * Whether `text` is all of the arguments again, and cannot be their next piece: an object may begin as the one it
 * stands in, but only where a value may stand, and a quote within a text ends it.
 */
function repeatsAll({ text: before, repeats }: ToolCall, text: string): boolean {
  if (before === null || before === '' || !text.startsWith(before)) return false;
  if (repeats || (text === before && isWholeObject(text))) return true;
  return BEGINS_WITH_KEY.test(text) && !MAY_TAKE_VALUE.test(before);
}

function isUnfinished({ hasArguments, progress }: ToolCall): boolean {
  return hasArguments && !progress.isWhole;
}

function isWholeObject(text: string): boolean {
  if (!text.startsWith('{') || !text.endsWith('}')) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
