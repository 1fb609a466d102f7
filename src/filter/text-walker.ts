import { AegisError } from '../domain/errors.js';
import { isObject } from '../domain/json.js';
import { findMediaClaim, isBase64, type UnscannedContent } from './media.js';

/** One text of a request. */
export interface RequestText {
  /**
   * What gives a value its meaning, with `: `; else empty. The name of a member that AEGIS does not know; for items of
   * its array the same; for the value of `{name, value}` that name.
   */
  readonly label: string;
  readonly value: string;
  /** The member of the body it belongs to. */
  readonly member: string;
  /** As the client would write it, e.g. `messages[2].content[0].text`. */
  readonly path: string;
  /** Whether the value is JSON itself, as a tool call's arguments are. */
  readonly isJson: boolean;
  /** Puts another text in the value's place. */
  replaceValue(text: string): void;
  /** Gives the member another name, numbered where the object has it already. Does nothing where the label is no name of it. */
  replaceLabel(name: string): void;
}

/** What is not looked into: deeper bodies are refused long before; this guards the walk itself. */
const MAX_DEPTH = 512;
/** What is smaller can only call itself an image, and costs nothing to read. */
const SMALL_MEDIA_CHARACTERS = 4_096;
/** Members that can hold media; the whole path is looked at only for these. */
const MEDIA_NAMES: ReadonlySet<string> = new Set(['url', 'data', 'file_data']);
/** No credential is shorter. */
const MIN_TEXT_CHARACTERS = 8;
/** A meaning from further away is looked at where a value could be a credential by it, and where it is short. */
const MIN_MEANT_CHARACTERS = 16;
const MAX_MEANING_CHARACTERS = 64;
/** A blank text between two others keeps nobody from reading them as one. */
const NOT_BLANK = /\S/;
const NODES_PER_SLICE = 4_096;
const CONTENT_PATH = /^messages\[\d+\]\.content(?:\[\d+\]\.(?:text|refusal))?$/;
const ARGUMENTS_PATH = /^messages\[\d+\]\.(?:tool_calls\[\d+\]\.function|function_call)\.arguments$/;

/** Names of the API: no credential hides in them, and they say nothing of the value. */
const API_NAMES: ReadonlySet<string> = new Set(
  `model messages role content name tool_calls tool_call_id refusal type text image_url url detail file file_id
  file_data filename input_audio data format id function arguments tools description parameters strict tool_choice
  response_format json_schema schema properties required items enum additionalProperties stop stream stream_options
  include_usage user metadata store service_tier reasoning_effort function_call functions custom input prediction
  audio modalities safety_identifier prompt_cache_key verbosity`
    .split(/\s+/)
    .filter((name) => name !== ''),
);

interface Frame {
  readonly holder: object;
  /** The member of the body that holds it; null for the body itself. */
  readonly member: string | null;
  /** Null for arrays. */
  readonly names: readonly string[] | null;
  readonly length: number;
  /** The label of the array's items; empty for objects. */
  readonly itemLabel: string;
  readonly path: string;
  readonly depth: number;
  index: number;
}

/**
 * Finds every text of a parsed body, known to AEGIS or not, in document order: unknown members are forwarded, so they
 * are read too. Holds only what it needs to go on, however many texts there are.
 */
export class TextWalker {
  /** The texts a model reads one after the other: the contents of all messages that are not blank. Complete once the walk is. */
  readonly conversation: RequestText[] = [];
  /** The arguments of all tool calls, one after the other. Complete once the walk is. */
  readonly toolArguments: RequestText[] = [];
  /** What no text filter can read. Complete once the walk is. */
  readonly unscanned: UnscannedContent[] = [];

  constructor(private readonly body: object) {}

  /** Yields null where it has worked for a while without finding a text. */
  *walk(): Generator<RequestText | null> {
    const stack: Frame[] = [openFrame(this.body, null, null, '')];
    let nodes = 0;
    for (let frame = stack.at(-1); frame; frame = stack.at(-1)) {
      if (frame.index >= frame.length) {
        stack.pop();
        continue;
      }
      if (++nodes % NODES_PER_SLICE === 0) yield null;
      const index = frame.index++;
      const name = frame.names?.[index] ?? null;
      const value: unknown = name === null ? (frame.holder as unknown[])[index] : (frame.holder as Members)[name];
      const path = name === null ? `${frame.path}[${index}]` : joinPath(frame.path, name);
      if (typeof value === 'string') {
        const text = yield* this.findText(frame, name, index, value, path);
        if (text) yield text;
        continue;
      }
      if (name !== null && name.length >= MIN_TEXT_CHARACTERS && !API_NAMES.has(name)) {
        yield textOf(frame, name, index, '', path);
      }
      if (typeof value === 'object' && value !== null) stack.push(openFrame(value, frame, name, path));
    }
  }

  private *findText(
    frame: Frame,
    name: string | null,
    index: number,
    value: string,
    path: string,
  ): Generator<null, RequestText | null> {
    const claim = name !== null && MEDIA_NAMES.has(name) ? findMediaClaim(value, path) : null;
    if (claim) {
      this.unscanned.push({ kind: claim.kind, path });
      if (value.length > SMALL_MEDIA_CHARACTERS && (yield* isBase64(value, claim.dataStart))) return null;
    }
    const text = textOf(frame, name, index, value, path);
    const mayBeContent = name === null || name === 'content' || name === 'text' || name === 'refusal';
    if (mayBeContent && NOT_BLANK.test(value) && CONTENT_PATH.test(path)) this.conversation.push(text);
    if (text.isJson) this.toolArguments.push(text);
    return text.label.length + value.length >= MIN_TEXT_CHARACTERS ? text : null;
  }
}

type Members = Record<string, unknown>;

function openFrame(holder: object, parent: Frame | null, name: string | null, path: string): Frame {
  const depth = parent ? parent.depth + 1 : 1;
  if (depth > MAX_DEPTH) throw new AegisError('invalid_request', `The body is nested deeper than ${MAX_DEPTH} levels.`);
  const names = Array.isArray(holder) ? null : Object.keys(holder);
  return {
    holder,
    member: parent?.member ?? name,
    names,
    length: names ? names.length : (holder as unknown[]).length,
    itemLabel: names ? '' : name === null ? (parent?.itemLabel ?? '') : meaningOf(name),
    path,
    depth,
    index: 0,
  };
}

/** The label a name gives to values that are not its own. */
function meaningOf(name: unknown): string {
  const means = typeof name === 'string' && name.length <= MAX_MEANING_CHARACTERS && !API_NAMES.has(name);
  return means ? `${name}: ` : '';
}

function labelOf({ holder, itemLabel }: Frame, name: string | null, value: string): string {
  const isMeant = value.length >= MIN_MEANT_CHARACTERS;
  if (name === null) return isMeant ? itemLabel : '';
  if (name === 'value' && isMeant && isObject(holder)) {
    const meaning = meaningOf(holder.name ?? holder.key);
    if (meaning !== '') return meaning;
  }
  return API_NAMES.has(name) ? '' : `${name}: `;
}

function textOf(frame: Frame, name: string | null, index: number, value: string, path: string): RequestText {
  const { holder } = frame;
  const label = labelOf(frame, name, value);
  return {
    member: frame.member ?? name ?? '',
    label,
    value,
    path,
    isJson: name === 'arguments' && ARGUMENTS_PATH.test(path),
    replaceValue: (text) => {
      if (name === null) (holder as unknown[])[index] = text;
      else (holder as Members)[name] = text;
    },
    replaceLabel: (newName) => {
      if (label === `${name}: ` && name !== null && isObject(holder)) renameMember(holder, name, newName);
    },
  };
}

/** Keeps the members' order, and every member: a name that is taken gets a number. */
function renameMember(holder: Members, from: string, to: string): void {
  let free = to;
  for (let number = 2; Object.hasOwn(holder, free); number++) free = `${to} ${number}`;
  const members = Object.entries(holder);
  for (const [name] of members) delete holder[name];
  for (const [name, value] of members) holder[name === from ? free : name] = value;
}

const PLAIN_NAME = /^[A-Za-z_$][\w$]{0,63}$/;

/** Names that could hold anything are not repeated in a path: it is shown to people and written to logs. */
function joinPath(path: string, name: string): string {
  const shown = PLAIN_NAME.test(name) ? name : '*';
  return path === '' ? shown : `${path}.${shown}`;
}
