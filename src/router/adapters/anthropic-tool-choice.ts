import type { ChatToolChoice } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import type { AnthropicTurn } from './anthropic-content.js';
import { JSON_ANSWER_INSTRUCTION } from './anthropic-json-answer.js';
import type { ModelFacts } from './anthropic-models.js';
import type { Thinking } from './anthropic-thinking.js';
import type { AnthropicTool } from './anthropic-tools.js';
import type { RequestProblems } from './request-problems.js';

export interface AnthropicToolChoice {
  readonly type: 'auto' | 'any' | 'none' | 'tool';
  readonly name?: string;
  readonly disable_parallel_tool_use?: true;
}

/** The tools a model is offered, and what it shall do with them. */
export interface ToolPlan {
  readonly tools: readonly AnthropicTool[];
  /** Null where Anthropic's default says the same. */
  readonly choice: AnthropicToolChoice | null;
  /** What the model must be told in words, where nothing else makes it answer as asked. */
  readonly instruction: string | null;
}

export interface ToolWishes {
  readonly choice: ChatToolChoice | null | undefined;
  readonly parallel: boolean | null | undefined;
  readonly tools: readonly AnthropicTool[];
  /** The tool by which the model answers in JSON, where it has no other way. */
  readonly jsonTool: AnthropicTool | undefined;
  readonly turns: readonly AnthropicTurn[];
}

interface ReadChoice {
  readonly type: AnthropicToolChoice['type'];
  readonly name?: string;
  /** Names of the tools that may be called; all where it is missing. */
  readonly allowed?: readonly unknown[];
}

const NOTHING: ToolPlan = { tools: [], choice: null, instruction: null };
const ONE_AT_A_TIME = { disable_parallel_tool_use: true } as const;

export function planTools(
  wishes: ToolWishes,
  facts: ModelFacts,
  thinking: Thinking['thinking'],
  problems: RequestProblems,
): ToolPlan {
  const wanted = readChoice(wishes.choice ?? 'auto');
  if (!wanted) {
    problems.refuse('tool_choice');
    return NOTHING;
  }
  const tools = wanted.allowed ? wishes.tools.filter(({ name }) => wanted.allowed?.includes(name)) : wishes.tools;
  const single = wishes.parallel === false ? ONE_AT_A_TIME : {};
  if (wanted.type === 'any' || wanted.type === 'tool') {
    checkForced(wanted, tools, facts, thinking, problems);
    // A call is demanded, and the answer is for another turn: the JSON tool would be a way around it.
    const { allowed: _allowed, ...choice } = wanted;
    return { tools, choice: { ...choice, ...single }, instruction: null };
  }
  if (wanted.allowed && tools.length < wanted.allowed.length) problems.reject('tool_choice', 'must name given tools.');
  if (wishes.jsonTool) return planJsonTool(wishes.jsonTool, wanted.type === 'none' ? [] : tools, facts, thinking);
  if (tools.length === 0) return planNoTools(wishes.turns);
  if (wanted.type === 'none') return { tools, choice: { type: 'none' }, instruction: null };
  const isDefault = wishes.parallel !== false && (wishes.choice === null || wishes.choice === undefined);
  return { tools, choice: isDefault ? null : { type: 'auto', ...single }, instruction: null };
}

function readChoice(choice: ChatToolChoice): ReadChoice | null {
  switch (choice) {
    case 'auto':
      return { type: 'auto' };
    case 'none':
      return { type: 'none' };
    case 'required':
      return { type: 'any' };
    default:
      if (typeof choice === 'string') return null;
      return choice.type === 'allowed_tools' ? readAllowed(choice.allowed_tools) : readNamed(choice);
  }
}

function readNamed(choice: { readonly type: string; readonly function?: unknown }): ReadChoice | null {
  const name = choice.type === 'function' && isObject(choice.function) ? choice.function.name : undefined;
  return typeof name === 'string' ? { type: 'tool', name } : null;
}

function readAllowed(value: unknown): ReadChoice | null {
  if (!isObject(value) || !Array.isArray(value.tools)) return null;
  const allowed = value.tools.map((tool: unknown) => {
    const called = isObject(tool) && tool.type === 'function' ? tool.function : undefined;
    return isObject(called) ? called.name : undefined;
  });
  if (value.mode === 'auto') return { type: 'auto', allowed };
  return value.mode === 'required' ? { type: 'any', allowed } : null;
}

function checkForced(
  wanted: ReadChoice,
  tools: readonly AnthropicTool[],
  facts: ModelFacts,
  thinking: Thinking['thinking'],
  problems: RequestProblems,
): void {
  const isGiven = wanted.name === undefined ? tools.length > 0 : tools.some(({ name }) => name === wanted.name);
  if (!isGiven || (wanted.allowed && tools.length < wanted.allowed.length)) {
    problems.reject('tool_choice', 'must name given tools.');
  }
  if (facts.forcedTools === false) problems.refuse('tool_choice');
  if (thinking?.type === 'enabled') {
    problems.reject('tool_choice', "cannot force a tool while 'reasoning_effort' is set with this model's provider.");
  }
}

/** The model must call one tool, the client's or that of the answer; or is asked to, where it cannot be forced. */
function planJsonTool(
  jsonTool: AnthropicTool,
  tools: readonly AnthropicTool[],
  facts: ModelFacts,
  thinking: Thinking['thinking'],
): ToolPlan {
  const offered = [...tools, jsonTool];
  if (facts.forcedTools !== true || (thinking && thinking.type !== 'disabled')) {
    return { tools: offered, choice: { type: 'auto', ...ONE_AT_A_TIME }, instruction: JSON_ANSWER_INSTRUCTION };
  }
  const choice = tools.length > 0 ? { type: 'any' as const } : { type: 'tool' as const, name: jsonTool.name };
  return { tools: offered, choice: { ...choice, ...ONE_AT_A_TIME }, instruction: null };
}

/** Anthropic wants to know the tools a conversation speaks of, also where none may be called any more. */
function planNoTools(turns: readonly AnthropicTurn[]): ToolPlan {
  const names = new Set<string>();
  for (const { content } of turns) {
    for (const { type, name } of content) if (type === 'tool_use') names.add(String(name));
  }
  if (names.size === 0) return NOTHING;
  const tools = [...names].map((name) => ({ name, input_schema: { type: 'object', properties: {} } }));
  return { tools, choice: { type: 'none' }, instruction: null };
}
