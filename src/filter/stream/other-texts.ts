import { isObject } from '../../domain/json.js';

/** A string of an answer, or a member's name, that stands in none of the places the model's words are known to stand in. */
export interface OtherText {
  readonly holder: Record<string, unknown> | unknown[];
  readonly key: string;
  readonly value: string;
  /** The name itself is the text. */
  readonly isName: boolean;
  /** From the answer on, e.g. `choices[0].delta.annotations[0].url_citation.url`; names that could hold anything are `*`. */
  readonly path: string;
}

/** What providers and AEGIS make up, never the model: numbers of things, kinds, seals. */
const OPAQUE_NAMES: ReadonlySet<string> = new Set(
  `id object model role type finish_reason service_tier system_fingerprint obfuscation signature encrypted_content
  usage logprobs`.split(/\s+/),
);
const OPAQUE_TYPE = /redacted|encrypted/;
const MEDIA = /^data:(?:image|audio|video)\/[a-z0-9.+-]{1,64};base64,[A-Za-z0-9+/]*={0,2}$/i;
/** Nothing that is looked for is shorter. */
const MIN_TEXT_CHARACTERS = 4;
/** Names of an API: words, whatever they are for. */
const PLAIN_NAME = /^[a-z]{1,16}(?:_[a-z]{1,16}){0,4}$/;

interface Node {
  readonly holder: Record<string, unknown> | unknown[];
  readonly path: string;
}

/**
 * Everything a chunk or a completion says beside the texts in `known`: citations, search results, names of tools, what
 * filters of providers quote, and members AEGIS does not know. Each is taken as whole.
 */
export function* otherTextsOf(
  answer: Record<string, unknown>,
  isKnown: (holder: object, key: string) => boolean,
): Generator<OtherText> {
  const nodes: Node[] = [{ holder: answer, path: '' }];
  for (let node = nodes.pop(); node; node = nodes.pop()) {
    const { holder, path } = node;
    const isList = Array.isArray(holder);
    for (const [key, value] of Object.entries(holder) as [string, unknown][]) {
      if (!isList && isOpaque(holder, key)) continue;
      const isPlain = isList || PLAIN_NAME.test(key);
      const place = isList ? `${path}[${key}]` : joinPath(path, isPlain ? key : '*');
      if (!isPlain) yield { holder, key, value: key, isName: true, path: place };
      if (typeof value === 'object' && value !== null) {
        nodes.push({ holder: value as Node['holder'], path: place });
      } else if (typeof value === 'string' && value.length >= MIN_TEXT_CHARACTERS) {
        if (!isKnown(holder, key) && !MEDIA.test(value)) yield { holder, key, value, isName: false, path: place };
      }
    }
  }
}

/** Puts another text in its place; a name that is taken gets a number. */
export function replaceOther({ holder, key, isName }: OtherText, text: string): void {
  if (Array.isArray(holder)) {
    holder[Number(key)] = text;
  } else if (isName) {
    let free = text;
    for (let number = 2; Object.hasOwn(holder, free); number++) free = `${text} ${number}`;
    const { [key]: value } = holder;
    delete holder[key];
    holder[free] = value;
  } else {
    holder[key] = text;
  }
}

function isOpaque(holder: Record<string, unknown>, key: string): boolean {
  if (OPAQUE_NAMES.has(key)) return typeof holder[key] === 'string' || key === 'usage' || key === 'logprobs';
  if (key !== 'data' || typeof holder.data !== 'string') return false;
  // Sound beside its transcript, thinking that only its provider can read.
  return isObject(holder) && ('expires_at' in holder || OPAQUE_TYPE.test(String(holder.type)));
}

function joinPath(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}
