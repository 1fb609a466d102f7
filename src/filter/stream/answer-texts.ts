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
export function textsOf(delta: Record<string, unknown>): readonly AnswerText[] {
  const found: AnswerText[] = [];
  for (const key of STREAMED) {
    addTextAt(found, delta, key, key, false, (value) => ({ [key]: value }));
  }
  for (const key of PART_LISTS) addParts(found, delta[key], key, 0);
  const { audio, function_call: call, reasoning_details: details, tool_calls: calls } = delta;
  if (Array.isArray(details)) {
    for (const [position, each] of details.entries()) addDetail(found, each, position);
  }
  if (isObject(audio)) {
    addTextAt(found, audio, 'transcript', 'audio.transcript', false, (value) => ({ audio: { transcript: value } }));
  }
  if (isObject(call)) {
    addTextAt(found, call, 'arguments', 'function_call.arguments', true, (value) => ({
      function_call: { arguments: value },
    }));
  }
  if (Array.isArray(calls)) {
    for (const [position, each] of calls.entries()) addCall(found, each, position);
  }
  return found;
}

function addDetail(found: AnswerText[], detail: unknown, position: number): void {
  if (!isObject(detail)) return;
  const index = typeof detail.index === 'number' ? detail.index : position;
  const { signature: _signature, ...unsigned } = detail;
  for (const key of DETAIL_TEXTS) {
    addTextAt(found, detail, key, `reasoning_details[${index}].${key}`, false, (value) => ({
      reasoning_details: [{ ...unsigned, [key]: value }],
    }));
  }
}

function addCall(found: AnswerText[], call: unknown, position: number): void {
  if (!isObject(call)) return;
  const index = typeof call.index === 'number' ? call.index : position;
  const path = `tool_calls[${index}]`;
  const { function: called, custom } = call;
  if (isObject(called)) {
    addTextAt(found, called, 'arguments', `${path}.function.arguments`, true, (value) => ({
      tool_calls: [{ index, function: { arguments: value } }],
    }));
  }
  if (isObject(custom)) {
    addTextAt(found, custom, 'input', `${path}.custom.input`, false, (value) => ({
      tool_calls: [{ index, custom: { input: value } }],
    }));
  }
}

function addTextAt(
  found: AnswerText[],
  holder: Record<string, unknown>,
  key: string,
  path: string,
  isJson: boolean,
  wrap: (value: string) => Record<string, unknown>,
): void {
  const value = holder[key];
  if (typeof value === 'string') found.push({ path, holder, key, value, isJson, isPiece: true, wrap });
}

function addParts(found: AnswerText[], node: unknown, path: string, depth: number): void {
  if (depth > MAX_PART_DEPTH) return;
  if (Array.isArray(node)) {
    for (const [index, item] of node.entries()) addParts(found, item, `${path}[${index}]`, depth + 1);
    return;
  }
  if (!isObject(node)) return;
  for (const [key, value] of Object.entries(node)) {
    if (typeof value !== 'string') addParts(found, value, `${path}.${key}`, depth + 1);
    else if (PART_TEXTS.has(key)) {
      found.push({ path: `${path}.${key}`, holder: node, key, value, isJson: false, isPiece: false, wrap: () => ({}) });
    }
  }
}
