import type { ChatTool } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import { withCacheControl } from './anthropic-cache.js';
import type { GrammarRoom } from './anthropic-grammar.js';
import { JSON_ANSWER_TOOL } from './anthropic-own-words.js';
import { toNativeSchema } from './anthropic-schema.js';
import type { RequestProblems } from './request-problems.js';

export interface AnthropicTool {
  readonly name: string;
  readonly input_schema: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

type Schema = Record<string, unknown>;

/** Source: the errors of https://platform.claude.com/docs/en/api/messages */
const TOOL_NAME = /^[A-Za-z0-9_-]{1,128}$/;
const PROPERTY_NAME = /^[A-Za-z0-9_.-]{1,64}$/;
export const TOOL_NAME_RULE = 'must be 1 to 128 letters, digits, underscores and hyphens.';

export function isToolName(name: unknown): name is string {
  return typeof name === 'string' && TOOL_NAME.test(name);
}

export function toTools(tools: readonly ChatTool[], room: GrammarRoom, problems: RequestProblems): AnthropicTool[] {
  const names = new Set<string>();
  const translated: AnthropicTool[] = [];
  tools.forEach((tool, index) => {
    const path = `tools[${index}]`;
    const called = tool.type === 'function' ? tool.function : undefined;
    if (!called) {
      problems.refuse(`${path}.type`);
      return;
    }
    if (!isToolName(called.name)) problems.reject(`${path}.function.name`, TOOL_NAME_RULE);
    else if (called.name === JSON_ANSWER_TOOL) problems.reject(`${path}.function.name`, "is AEGIS's own name.");
    else if (names.has(called.name)) problems.reject(`${path}.function.name`, 'must differ from the other names.');
    names.add(called.name);
    // Anthropic demands a schema of an object, also for a function that takes nothing.
    const schema = toObjectSchema(called.parameters ?? { properties: {} }, `${path}.function.parameters`, problems);
    const native = called.strict === true ? toNativeSchema(schema) : null;
    const isStrict = native !== null && room.takes(native, true);
    const block: AnthropicTool = {
      name: called.name,
      ...(called.description && { description: called.description }),
      input_schema: isStrict ? native.schema : schema,
      ...(isStrict && { strict: true }),
    };
    // Some clients mark the tool, some its function.
    const marked = withCacheControl(block, called, `${path}.function`, problems);
    translated.push(withCacheControl(marked, tool, path, problems));
  });
  return translated;
}

/** The schema of an object: all that Anthropic takes for the input of a tool. */
export function toObjectSchema(schema: Schema, path: string, problems: RequestProblems): Schema {
  if (schema.type !== undefined && schema.type !== 'object') problems.reject(`${path}.type`, "must be 'object'.");
  for (const keyword of ['anyOf', 'oneOf', 'allOf']) {
    if (keyword in schema) problems.refuse(`${path}.${keyword}`);
  }
  for (const name of Object.keys(isObject(schema.properties) ? schema.properties : {})) {
    if (!PROPERTY_NAME.test(name)) problems.refuse(`${path}.properties.${name.slice(0, 64)}`);
  }
  return { type: 'object', ...schema };
}
