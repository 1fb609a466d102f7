import type { RequestProblems } from './request-problems.js';

/** How Anthropic is told to think, and how many tokens that may take of `max_tokens`. */
export interface Thinking {
  readonly thinking?: Readonly<Record<string, unknown>>;
  readonly effort?: string;
  /** What to add to the default `max_tokens`, so that thinking does not eat the answer. */
  readonly budgetTokens: number;
}

const NO_THINKING: Thinking = { budgetTokens: 0 };
const SMALLEST_BUDGET_TOKENS = 1024;

/** OpenAI's efforts → tokens to think with (Claude up to 4.5) and Anthropic's own efforts (Claude 4.6 and later). */
const EFFORTS: Readonly<Record<string, { readonly budgetTokens: number; readonly effort: string }>> = {
  minimal: { budgetTokens: 1024, effort: 'low' },
  low: { budgetTokens: 2048, effort: 'low' },
  medium: { budgetTokens: 8192, effort: 'medium' },
  high: { budgetTokens: 16_384, effort: 'high' },
  xhigh: { budgetTokens: 32_768, effort: 'max' },
};

/**
 * `reasoning_effort` → thinking. `limitTokens` is the client's own limit for the whole answer, thinking included.
 * Source: https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
 */
export function toThinking(
  reasoningEffort: string | null | undefined,
  model: string,
  limitTokens: number | null,
  problems: RequestProblems,
): Thinking {
  if (reasoningEffort === null || reasoningEffort === undefined || reasoningEffort === 'none') return NO_THINKING;
  const wanted = Object.hasOwn(EFFORTS, reasoningEffort) ? EFFORTS[reasoningEffort] : undefined;
  if (!wanted) {
    problems.reject('reasoning_effort', `must be one of none, ${Object.keys(EFFORTS).join(', ')}.`);
    return NO_THINKING;
  }
  if (decidesItself(model)) return { thinking: { type: 'adaptive' }, effort: wanted.effort, budgetTokens: 0 };
  const budgetTokens =
    limitTokens === null
      ? wanted.budgetTokens
      : Math.min(wanted.budgetTokens, Math.max(SMALLEST_BUDGET_TOKENS, Math.floor(limitTokens / 2)));
  if (limitTokens !== null && budgetTokens >= limitTokens) {
    problems.reject(
      'reasoning_effort',
      `needs an answer limit above ${SMALLEST_BUDGET_TOKENS} tokens with this model's provider; raise 'max_completion_tokens' or leave 'reasoning_effort' out.`,
    );
    return NO_THINKING;
  }
  return { thinking: { type: 'enabled', budget_tokens: budgetTokens }, budgetTokens };
}

/** From Claude 4.6 on a model decides how long it thinks and takes an effort; later ones refuse a budget. */
function decidesItself(model: string): boolean {
  const version = /claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2})(?!\d))?/.exec(model);
  if (!version) return false;
  const [, major, minor] = version;
  return Number(major) > 4 || (Number(major) === 4 && Number(minor ?? 0) >= 6);
}
