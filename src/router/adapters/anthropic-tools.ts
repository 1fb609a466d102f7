import type { ChatTool, ChatToolChoice } from '../../domain/chat.js';
import { type AnthropicBlock, withCacheControl } from './anthropic-content.js';
import type { RequestProblems } from './request-problems.js';

export type AnthropicTool = Readonly<Record<string, unknown>>;
export interface AnthropicToolChoice {
  readonly type: 'auto' | 'any' | 'none' | 'tool';
  readonly name?: string;
  readonly disable_parallel_tool_use?: true;
}

export function toTools(tools: readonly ChatTool[], problems: RequestProblems): AnthropicTool[] {
  const translated: AnthropicTool[] = [];
  tools.forEach((tool, index) => {
    const called = tool.type === 'function' ? tool.function : undefined;
    if (!called) {
      problems.refuse(`tools[${index}].type`);
      return;
    }
    const block: Record<string, unknown> = {
      name: called.name,
      ...(called.description && { description: called.description }),
      // Anthropic demands a schema of an object, also for a function that takes nothing.
      input_schema: { type: 'object', ...(called.parameters ?? { properties: {} }) },
      ...(called.strict === true && { strict: true }),
    };
    translated.push(withCacheControl(block as AnthropicBlock, tool));
  });
  return translated;
}

/** Null where Anthropic's default says the same. */
export function toToolChoice(
  choice: ChatToolChoice | null | undefined,
  parallel: boolean | null | undefined,
  hasTools: boolean,
  problems: RequestProblems,
): AnthropicToolChoice | null {
  const wanted = readChoice(choice ?? 'auto');
  if (!wanted) {
    problems.refuse('tool_choice');
    return null;
  }
  if (wanted.type === 'none') return hasTools ? wanted : null;
  if (parallel === false && hasTools) return { ...wanted, disable_parallel_tool_use: true };
  return choice === null || choice === undefined || (!hasTools && wanted.type === 'auto') ? null : wanted;
}

function readChoice(choice: ChatToolChoice): AnthropicToolChoice | null {
  switch (choice) {
    case 'auto':
      return { type: 'auto' };
    case 'none':
      return { type: 'none' };
    case 'required':
      return { type: 'any' };
    default:
      if (typeof choice === 'string' || choice.type !== 'function' || !choice.function) return null;
      return { type: 'tool', name: choice.function.name };
  }
}
