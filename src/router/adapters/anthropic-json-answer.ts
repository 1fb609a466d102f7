import type { ChatResponseFormat } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import type { GrammarRoom } from './anthropic-grammar.js';
import { JSON_ANSWER_TOOL } from './anthropic-own-words.js';
import { toNativeSchema, withoutRootReference } from './anthropic-schema.js';
import { type AnthropicTool, toObjectSchema } from './anthropic-tools.js';
import type { RequestProblems } from './request-problems.js';

/** How the model is made to answer in JSON: by a format of its own, or by a tool whose input is the answer. */
export interface JsonAnswer {
  readonly format?: Readonly<Record<string, unknown>>;
  readonly tool?: AnthropicTool;
}

const PURPOSE = 'Gives the final answer: the input of this tool is the answer itself.';

/** Said where the tool cannot be forced. */
export const JSON_ANSWER_INSTRUCTION = `Give your final answer only by calling the tool ${JSON_ANSWER_TOOL}, never as text.`;

export function toJsonAnswer(
  wanted: ChatResponseFormat | null | undefined,
  room: GrammarRoom,
  problems: RequestProblems,
): JsonAnswer {
  if (!wanted || wanted.type === 'text') return {};
  if (wanted.type === 'json_object') {
    const description = `${PURPOSE} It is the JSON object that the conversation asks for, with all its members.`;
    return {
      tool: { name: JSON_ANSWER_TOOL, description, input_schema: { type: 'object', additionalProperties: true } },
    };
  }
  if (wanted.type !== 'json_schema') {
    problems.refuse('response_format.type');
    return {};
  }
  const { schema, description } = wanted.json_schema ?? {};
  if (!isObject(schema)) {
    problems.refuse('response_format.json_schema');
    return {};
  }
  const native = toNativeSchema(schema);
  if (native && room.takes(native)) return { format: { type: 'json_schema', schema: native.schema } };
  return {
    tool: {
      name: JSON_ANSWER_TOOL,
      description: description ? `${PURPOSE} ${description}` : PURPOSE,
      input_schema: toObjectSchema(withoutRootReference(schema), 'response_format.json_schema.schema', problems),
    },
  };
}
