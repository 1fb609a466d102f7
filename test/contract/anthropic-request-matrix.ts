import { MESSAGES } from './anthropic-request-messages.js';
import { OPTIONS } from './anthropic-request-options.js';
import type { MatrixCase } from './anthropic-request-parts.js';

/** All of OpenAI's requests that Anthropic can be asked, alone and in combination, across generations of models. */
export const MATRIX: readonly MatrixCase[] = [...MESSAGES, ...OPTIONS];
