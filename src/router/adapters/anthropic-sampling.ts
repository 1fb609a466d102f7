import type { ChatCompletionRequest } from '../../domain/chat.js';
import type { ModelFacts } from './anthropic-models.js';
import type { RequestProblems } from './request-problems.js';

export interface Sampling {
  readonly temperature?: number;
  readonly top_p?: number;
  readonly top_k?: number;
}

/** What both OpenAI and Anthropic do where nobody says: a value that may be left out. */
const DEFAULT = 1;
const SMALLEST_TOP_P_WITH_THINKING = 0.95;
const WITH_THINKING = "while 'reasoning_effort' is set with this model's provider.";

/** @param thinks whether the request asks for thinking */
export function toSampling(
  chat: ChatCompletionRequest,
  facts: ModelFacts,
  thinks: boolean,
  problems: RequestProblems,
): Sampling {
  const temperature = chat.temperature ?? undefined;
  const topP = chat.top_p ?? undefined;
  const topK = readTopK(chat.top_k, problems);
  // OpenAI's scale ends at 2, Anthropic's at 1: a value beyond it has no counterpart.
  if (temperature !== undefined && temperature > 1) problems.refuse('temperature');
  if (facts.sampling === 'fixed') {
    if (temperature !== undefined && temperature < DEFAULT) problems.refuse('temperature');
    if (topP !== undefined && topP !== DEFAULT) problems.refuse('top_p');
    if (topK !== undefined) problems.refuse('top_k');
    return {};
  }
  if (thinks) {
    if (temperature !== undefined && temperature < DEFAULT) {
      problems.reject('temperature', `must be 1 or left out ${WITH_THINKING}`);
    }
    if (topP !== undefined && topP < SMALLEST_TOP_P_WITH_THINKING) {
      problems.reject('top_p', `must be at least ${SMALLEST_TOP_P_WITH_THINKING} ${WITH_THINKING}`);
    }
    if (topK !== undefined) problems.reject('top_k', `must be left out ${WITH_THINKING}`);
  }
  const isOneTooMany = facts.sampling === 'one' && temperature !== undefined && topP !== undefined;
  if (isOneTooMany && temperature !== DEFAULT && topP !== DEFAULT) {
    problems.reject('top_p', "cannot be set beside 'temperature' with this model's provider; leave one of them out.");
  }
  return {
    ...(temperature !== undefined && !(isOneTooMany && temperature === DEFAULT) && { temperature }),
    ...(topP !== undefined && !(isOneTooMany && temperature !== DEFAULT) && { top_p: topP }),
    ...(topK !== undefined && { top_k: topK }),
  };
}

/** Not a word of OpenAI's, so nobody has looked at it yet; a number as large as 1e400 could not be written out again. */
function readTopK(topK: unknown, problems: RequestProblems): number | undefined {
  if (topK === null || topK === undefined) return undefined;
  if (typeof topK === 'number' && Number.isSafeInteger(topK) && topK >= 0) return topK;
  problems.reject('top_k', 'must be an integer that is not negative.');
  return undefined;
}
