import { isUtf8 } from 'node:buffer';
import { AegisError } from '../domain/errors.js';
import { isObject } from '../domain/json.js';
import { countMembers, scanJson } from '../domain/json-scan.js';
import { RequestBody } from '../domain/request-body.js';

/** Deepest nesting of objects and arrays a body may have. */
export const MAX_BODY_DEPTH = 64;

/**
 * Most values a body may have. A conversation has thousands at most; a million empty objects fit into a few megabytes,
 * take a hundred times that in memory, and hold everybody else up while they are made.
 */
export const MAX_BODY_VALUES = 200_000;

/** A JSON object a client sent: the parsed tree beside its own bytes. */
export interface JsonBody {
  readonly value: Record<string, unknown>;
  readonly body: RequestBody;
}

/**
 * Bytes → JSON object, or `AegisError` `invalid_json`. What filters see (the parsed tree) and what a target gets (the
 * bytes) must say the same, so whatever could make them differ is refused: invalid UTF-8, and a key that stands twice
 * in one object.
 */
export function parseJsonBody(bytes: Buffer): JsonBody {
  if (bytes.length === 0) throw invalid('The body is empty; send a JSON object.');
  if (!isUtf8(bytes)) throw invalid('The body is not valid UTF-8.');
  const scan = scanJson(bytes, MAX_BODY_DEPTH, MAX_BODY_VALUES);
  if (scan.depth > MAX_BODY_DEPTH) {
    throw new AegisError('invalid_request', `The body is nested deeper than ${MAX_BODY_DEPTH} levels.`);
  }
  if (scan.valueCount > MAX_BODY_VALUES) {
    throw new AegisError('invalid_request', `The body has more than ${MAX_BODY_VALUES} values.`);
  }

  const value = parse(bytes);
  if (!isObject(value)) throw invalid('The body must be a JSON object.');
  const members = countMembers(value);
  if (members.hostileKey) throw invalid('The body has a key named "__proto__", which is not accepted.');
  if (members.count !== scan.memberCount) throw invalid('The body has an object in which a key stands twice.');
  return { value, body: new RequestBody(bytes, scan.members) };
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    // The engine's own message quotes the body, which may hold a secret; the place is enough to find the fault.
    const position = /position (\d+)/.exec(String(cause))?.[1];
    throw invalid(`The body is not valid JSON${position ? ` (at character ${position})` : ''}.`);
  }
}

function invalid(message: string): AegisError {
  return new AegisError('invalid_json', message);
}
