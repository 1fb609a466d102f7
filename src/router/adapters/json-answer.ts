import { isObject } from '../../domain/json.js';
import { countMembers, scanJson } from '../../domain/json-scan.js';
import { UpstreamError } from '../../domain/upstream-error.js';

/** Far deeper than any answer, and far from where writing it out again would exhaust the stack. */
const MAX_ANSWER_DEPTH = 500;
const BYTE_ORDER_MARK = 0xfeff;
/** Far more tokens than an answer can have, and at any price far less than 64 bits of money. */
const MOST_TOKENS = 1_000_000_000;

/** An answer that is none. `detail` is for the log, never for the client. */
export function invalidAnswer(detail: string): UpstreamError {
  return new UpstreamError('invalid', 'The provider sent an answer that AEGIS cannot read.', { status: null, detail });
}

/** A stream that ended before its answer did. */
export function truncatedAnswer(detail: string): UpstreamError {
  return new UpstreamError('invalid', "The provider's answer ended before it was complete.", { status: null, detail });
}

/** Parses the JSON object an upstream sent. Throws `UpstreamError` `invalid` where it is none. */
export function parseAnswerObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text);
  } catch {
    throw invalidAnswer(`${text.length} characters that are no JSON`);
  }
  // Gemini wraps its errors in a list.
  if (Array.isArray(value) && value.length === 1 && isObject(value[0]) && isObject(value[0].error)) value = value[0];
  if (!isObject(value)) throw invalidAnswer('JSON that is no object');
  // A text holds no more levels than characters: the chunks of a stream need no second look.
  if (text.length > MAX_ANSWER_DEPTH && scanJson(Buffer.from(text), MAX_ANSWER_DEPTH).depth > MAX_ANSWER_DEPTH) {
    throw invalidAnswer(`JSON deeper than ${MAX_ANSWER_DEPTH} levels`);
  }
  return value;
}

/**
 * Whether a key stands twice in one object of the text: filters see one of the two, so the text must not be passed on as
 * it came. Who reads the other one would get what nobody has looked at.
 */
export function hasTwins(text: string, value: unknown): boolean {
  return scanJson(Buffer.from(text), MAX_ANSWER_DEPTH).memberCount !== countMembers(value).count;
}

/** The value where it is a text with something in it. */
export function findText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A count as providers send it; 0 where it is missing or no count, such as one that no answer can have. */
export function readCount(value: unknown): number {
  return typeof value === 'number' && value > 0 && value <= MOST_TOKENS ? Math.round(value) : 0;
}

/** Whether it counts more than an answer can have: what says so knows nothing of it. */
export function isBeyondCount(value: unknown): boolean {
  return typeof value === 'number' && value > MOST_TOKENS;
}
