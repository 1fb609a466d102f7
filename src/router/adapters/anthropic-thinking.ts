import type { ModelFacts } from './anthropic-models.js';
import type { RequestProblems } from './request-problems.js';

/** How Anthropic is told to think. */
export interface Thinking {
  readonly thinking?: { readonly type: string; readonly [key: string]: unknown };
  readonly effort?: string;
  /** Whether the model thinks, told to or not. */
  readonly thinks: boolean;
  /** What to add to the default `max_tokens`, so that thinking does not eat the answer. */
  readonly spareTokens: number;
}

const NO_THINKING: Thinking = { thinks: false, spareTokens: 0 };
const SMALLEST_BUDGET_TOKENS = 1024;

/**
 * OpenAI's efforts → tokens to think with (Claude up to 4.5) and Anthropic's own efforts (Claude 4.6 and later). The
 * largest budget leaves room for an answer within the 32,000 tokens of the smallest model that thinks.
 */
const EFFORTS: Readonly<Record<string, { readonly budgetTokens: number; readonly effort: string }>> = {
  minimal: { budgetTokens: 1024, effort: 'low' },
  low: { budgetTokens: 2048, effort: 'low' },
  medium: { budgetTokens: 8192, effort: 'medium' },
  high: { budgetTokens: 16_384, effort: 'high' },
  xhigh: { budgetTokens: 24_576, effort: 'xhigh' },
  max: { budgetTokens: 27_648, effort: 'max' },
};

/**
 * `reasoning_effort` → thinking. `limitTokens` is the client's own limit for the whole answer, thinking included.
 * Source: https://platform.claude.com/docs/en/build-with-claude/thinking
 */
export function toThinking(
  reasoningEffort: string | null | undefined,
  facts: ModelFacts,
  limitTokens: number | null,
  problems: RequestProblems,
): Thinking {
  if (reasoningEffort === null || reasoningEffort === undefined) {
    return { thinks: facts.thinksUnasked, spareTokens: facts.unaskedTokens };
  }
  if (reasoningEffort === 'none') return toNoThinking(facts, problems);
  const wanted = Object.hasOwn(EFFORTS, reasoningEffort) ? EFFORTS[reasoningEffort] : undefined;
  if (!wanted) {
    problems.reject('reasoning_effort', `must be one of none, ${Object.keys(EFFORTS).join(', ')}.`);
    return NO_THINKING;
  }
  switch (facts.thinking) {
    case 'none':
      problems.refuse('reasoning_effort');
      return NO_THINKING;
    case 'adaptive':
      return {
        thinking: { type: 'adaptive', ...(facts.hidesThinking && { display: 'summarized' }) },
        effort: wanted.effort === 'xhigh' && !facts.hasXhigh ? 'max' : wanted.effort,
        thinks: true,
        spareTokens: wanted.budgetTokens,
      };
    case 'budget':
      return toBudget(wanted.budgetTokens, limitTokens, problems);
    default:
      return facts.thinking satisfies never;
  }
}

function toNoThinking({ withoutThinking }: ModelFacts, problems: RequestProblems): Thinking {
  if (withoutThinking === 'unsaid') return NO_THINKING;
  if (withoutThinking === null) {
    problems.reject('reasoning_effort', "cannot be 'none' with this model, which always thinks; 'low' is the least.");
    return NO_THINKING;
  }
  // Between tools the model still writes notes, which come back signed.
  return { thinking: { type: withoutThinking }, thinks: withoutThinking === 'between_tools', spareTokens: 0 };
}

function toBudget(wantedTokens: number, limitTokens: number | null, problems: RequestProblems): Thinking {
  const budgetTokens =
    limitTokens === null
      ? wantedTokens
      : Math.min(wantedTokens, Math.max(SMALLEST_BUDGET_TOKENS, Math.floor(limitTokens / 2)));
  if (limitTokens !== null && budgetTokens >= limitTokens) {
    problems.reject(
      'reasoning_effort',
      `needs an answer limit above ${SMALLEST_BUDGET_TOKENS} tokens with this model's provider; raise 'max_completion_tokens' or leave 'reasoning_effort' out.`,
    );
    return NO_THINKING;
  }
  return { thinking: { type: 'enabled', budget_tokens: budgetTokens }, thinks: true, spareTokens: budgetTokens };
}
