import { isObject } from '../../domain/json.js';

/** One text of a message or delta, where it stands. */
export interface AnswerText {
  /** From the message or delta on, e.g. `tool_calls[0].function.arguments`. */
  readonly path: string;
  readonly holder: Record<string, unknown>;
  readonly key: string;
  readonly value: string;
  readonly isJson: boolean;
  /** A delta's is a piece of a text that goes on; else it is whole. */
  readonly isPiece: boolean;
  /** Makes a delta that holds nothing but a piece of this text. */
  readonly wrap: (value: string) => Record<string, unknown>;
}

/** Texts that come in pieces, at the top of a delta. `reasoning` is vLLM's and OpenRouter's name; the last are others'. */
const STREAMED = [
  'content',
  'reasoning_content',
  'reasoning',
  'refusal',
  'text',
  'thinking',
  'reasoning_text',
  'thinking_text',
] as const;
/** Names of texts in parts and blocks, which come whole. */
const PART_TEXTS: ReadonlySet<string> = new Set(['text', 'thinking', 'summary', 'content', 'refusal', 'transcript']);
/** Lists of parts and blocks. */
const PART_LISTS = ['content', 'thinking_blocks'] as const;
/** Of OpenRouter's `reasoning_details`, which go on from delta to delta. */
const DETAIL_TEXTS = ['text', 'summary'] as const;
const MAX_PART_DEPTH = 8;

/** Every text of a message or delta that the model wrote. */
export function* textsOf(delta: Record<string, unknown>): Generator<AnswerText> {
  for (const key of STREAMED) {
    yield* textAt(delta, key, key, false, (value) => ({ [key]: value }));
  }
  for (const key of PART_LISTS) yield* partsOf(delta[key], key, 0);
  const { audio, function_call: call, reasoning_details: details, tool_calls: calls } = delta;
  if (Array.isArray(details)) {
    for (const [position, each] of details.entries()) yield* textsOfDetail(each, position);
  }
  if (isObject(audio)) {
    yield* textAt(audio, 'transcript', 'audio.transcript', false, (value) => ({ audio: { transcript: value } }));
  }
  if (isObject(call)) {
    yield* textAt(call, 'arguments', 'function_call.arguments', true, (value) => ({
      function_call: { arguments: value },
    }));
  }
  if (Array.isArray(calls)) {
    for (const [position, each] of calls.entries()) yield* textsOfCall(each, position);
  }
}

function* textsOfDetail(detail: unknown, position: number): Generator<AnswerText> {
  if (!isObject(detail)) return;
  const index = typeof detail.index === 'number' ? detail.index : position;
  const { signature: _signature, ...unsigned } = detail;
  for (const key of DETAIL_TEXTS) {
    yield* textAt(detail, key, `reasoning_details[${index}].${key}`, false, (value) => ({
      reasoning_details: [{ ...unsigned, [key]: value }],
    }));
  }
}

function* textsOfCall(call: unknown, position: number): Generator<AnswerText> {
  if (!isObject(call)) return;
  const index = typeof call.index === 'number' ? call.index : position;
  const path = `tool_calls[${index}]`;
  const { function: called, custom } = call;
  if (isObject(called)) {
    yield* textAt(called, 'arguments', `${path}.function.arguments`, true, (value) => ({
      tool_calls: [{ index, function: { arguments: value } }],
    }));
  }
  if (isObject(custom)) {
    yield* textAt(custom, 'input', `${path}.custom.input`, false, (value) => ({
      tool_calls: [{ index, custom: { input: value } }],
    }));
  }
}

function* textAt(
  holder: Record<string, unknown>,
  key: string,
  path: string,
  isJson: boolean,
  wrap: (value: string) => Record<string, unknown>,
): Generator<AnswerText> {
  const value = holder[key];
  if (typeof value === 'string') yield { path, holder, key, value, isJson, isPiece: true, wrap };
}

function* partsOf(node: unknown, path: string, depth: number): Generator<AnswerText> {
  if (depth > MAX_PART_DEPTH) return;
  if (Array.isArray(node)) {
    for (const [index, item] of node.entries()) yield* partsOf(item, `${path}[${index}]`, depth + 1);
    return;
  }
  if (!isObject(node)) return;
  for (const [key, value] of Object.entries(node)) {
    if (typeof value !== 'string') yield* partsOf(value, `${path}.${key}`, depth + 1);
    else if (PART_TEXTS.has(key)) {
      yield { path: `${path}.${key}`, holder: node, key, value, isJson: false, isPiece: false, wrap: () => ({}) };
    }
  }
}
