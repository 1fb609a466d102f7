/** Where a value stands in the bytes of a JSON object. */
export interface ByteRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** What one pass over the bytes of a JSON text tells without parsing it. */
export interface JsonScan {
  /** Deepest nesting of objects and arrays; the root object is 1. */
  readonly depth: number;
  /** About how many values there are: commas, colons and openings. Known before anything of them takes memory. */
  readonly valueCount: number;
  /** All `key: value` pairs as written. Fewer in the parsed tree means that a key stood twice in an object. */
  readonly memberCount: number;
  /** The values of the root object's members, by key as parsed. Empty where the root is no object. */
  readonly members: ReadonlyMap<string, ByteRange>;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const SPACE = 0x20;

/**
 * One linear pass, no recursion, so that hostile depth is found before anything recurses into it. Stops where the
 * depth passes `maxDepth` or the number of values `maxValues`. Says nothing of validity: a text that is no JSON gives
 * some answer, never an exception.
 */
export function scanJson(bytes: Buffer, maxDepth: number, maxValues = Number.POSITIVE_INFINITY): JsonScan {
  const members = new Map<string, ByteRange>();
  const rootIsObject = bytes[skipBlanks(bytes, 0)] === OPEN_OBJECT;
  let depth = 0;
  let deepest = 0;
  let valueCount = 0;
  let memberCount = 0;
  let lastString: ByteRange = { start: 0, end: 0 };
  let openMember: { key: string; start: number } | null = null;

  const closeMember = (end: number): void => {
    if (openMember === null) return;
    members.set(openMember.key, { start: openMember.start, end: trimBlanks(bytes, openMember.start, end) });
    openMember = null;
  };

  for (let index = 0; index < bytes.length && valueCount <= maxValues; index++) {
    switch (bytes[index]) {
      case QUOTE: {
        const end = endOfString(bytes, index);
        lastString = { start: index, end };
        index = end - 1;
        break;
      }
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        valueCount++;
        depth++;
        if (depth > deepest) deepest = depth;
        if (depth > maxDepth) return { depth: deepest, valueCount, memberCount, members };
        break;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        if (depth === 1) closeMember(index);
        depth--;
        break;
      case COMMA:
        valueCount++;
        if (depth === 1) closeMember(index);
        break;
      case COLON:
        valueCount++;
        memberCount++;
        if (depth === 1 && rootIsObject) {
          openMember = { key: parseKey(bytes, lastString), start: skipBlanks(bytes, index + 1) };
        }
        break;
      default:
    }
  }
  return { depth: deepest, valueCount, memberCount, members };
}

/**
 * Counts the members of a parsed tree, for comparison with `JsonScan.memberCount`. `hostileKey` is set where a key
 * could reach an object's prototype once it is copied.
 */
export function countMembers(root: unknown): { readonly count: number; readonly hostileKey: boolean } {
  let count = 0;
  let hostileKey = false;
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if (Array.isArray(value)) {
      for (const item of value) visit(item);
      return;
    }
    for (const key of Object.keys(value)) {
      count++;
      if (key === '__proto__') hostileKey = true;
      visit((value as Record<string, unknown>)[key]);
    }
  };
  visit(root);
  return { count, hostileKey };
}

/** The index after the closing quote; the text's end where the string is never closed. */
function endOfString(bytes: Buffer, open: number): number {
  let quote = bytes.indexOf(QUOTE, open + 1);
  while (quote !== -1) {
    let backslashes = 0;
    while (bytes[quote - 1 - backslashes] === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
    quote = bytes.indexOf(QUOTE, quote + 1);
  }
  return bytes.length;
}

function parseKey(bytes: Buffer, range: ByteRange): string {
  const text = bytes.toString('utf8', range.start, range.end);
  if (!text.includes('\\')) return text.slice(1, -1);
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}

function skipBlanks(bytes: Buffer, from: number): number {
  let index = from;
  while (index < bytes.length && (bytes[index] ?? 0) <= SPACE) index++;
  return index;
}

function trimBlanks(bytes: Buffer, start: number, end: number): number {
  let index = end;
  while (index > start && (bytes[index - 1] ?? 0) <= SPACE) index--;
  return index;
}
