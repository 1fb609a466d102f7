/** What a Claude model takes in a request, where models differ. */
export interface ModelFacts {
  /** Told how many tokens to think with, told to think with an effort, or not able to. */
  readonly thinking: 'none' | 'budget' | 'adaptive';
  /** Whether it thinks where the request says nothing of it. */
  readonly thinksUnasked: boolean;
  /** What keeps it from thinking: nothing need be said, a `thinking.type` of this name, or nothing does (null). */
  readonly withoutThinking: 'unsaid' | 'disabled' | 'between_tools' | null;
  /** Whether it knows the effort between `high` and `max`. */
  readonly hasXhigh: boolean;
  /** Whether thinking shows its text only where it is asked to. */
  readonly hidesThinking: boolean;
  /** Whether it offers `output_config.format` and strict tools. */
  readonly structuredOutputs: boolean;
  /** Temperature and top_p as one likes, only one of the two, or neither. */
  readonly sampling: 'free' | 'one' | 'fixed';
  /** Whether it takes a `tool_choice` that forces a tool; null = nobody has said so. */
  readonly forcedTools: boolean | null;
  /** Whether it continues a last assistant turn. */
  readonly prefill: boolean;
  /** Tokens that thinking nobody asked for may take of an answer whose limit nobody gave. */
  readonly unaskedTokens: number;
}

/**
 * A name that does not tell its version (an alias, a server's own) counts as the newest generation, but what some
 * model takes is neither refused nor forced upon it: the provider knows better.
 */
const UNKNOWN: ModelFacts = {
  thinking: 'adaptive',
  thinksUnasked: true,
  withoutThinking: 'unsaid',
  hasXhigh: true,
  hidesThinking: true,
  structuredOutputs: true,
  sampling: 'free',
  forcedTools: null,
  prefill: true,
  unaskedTokens: 0,
};

const UNASKED_TOKENS = 16_384;

// The minor version has one or two digits: what has more is a date.
const VERSION = /claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2})(?!\d))?(?!\d)/;

/**
 * Source: the model pages and migration guides at https://platform.claude.com/docs/en/about-claude/models, and the
 * pages on thinking, effort and structured outputs at https://platform.claude.com/docs/en/build-with-claude.
 */
export function factsOf(model: string): ModelFacts {
  const name = model.toLowerCase();
  // The one model of its kind that has no version in its name.
  const found = VERSION.exec(name.replace('mythos-preview', 'mythos-4-7'));
  if (!found) return UNKNOWN;
  const version = Number(found[1]) * 100 + Number(found[2] ?? 0);
  const isAlwaysThinking = /fable|mythos/.test(name) || (name.includes('opus') && version >= 505);
  const thinksUnasked = version >= 500 || isAlwaysThinking;
  return {
    thinking: version < 307 ? 'none' : version < 406 ? 'budget' : 'adaptive',
    thinksUnasked,
    withoutThinking: withoutThinking(name, version, isAlwaysThinking, thinksUnasked),
    hasXhigh: version >= 407 && !name.includes('mythos-preview'),
    hidesThinking: version >= 407,
    structuredOutputs: version >= 405,
    sampling: version >= 407 ? 'fixed' : version >= 401 ? 'one' : 'free',
    forcedTools: version <= 500 ? true : name.includes('haiku') ? null : false,
    prefill: version < 406,
    unaskedTokens: thinksUnasked ? UNASKED_TOKENS : 0,
  };
}

function withoutThinking(
  name: string,
  version: number,
  isAlwaysThinking: boolean,
  thinksUnasked: boolean,
): ModelFacts['withoutThinking'] {
  if (isAlwaysThinking) return null;
  if (!thinksUnasked) return 'unsaid';
  return name.includes('sonnet') && version >= 505 ? 'between_tools' : 'disabled';
}
