import type { ChatMessage, ChatToolCall } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import { scanJson } from '../../domain/json-scan.js';
import { readCacheControl, withCacheControl } from './anthropic-cache.js';
import {
  type AnthropicBlock,
  type AnthropicTurn,
  assistantBlock,
  isBlank,
  textBlock,
  toBlocks,
  userBlock,
} from './anthropic-content.js';
import { THINKING_BLOCKS } from './anthropic-own-words.js';
import { isThinking, readThinkingBlocks } from './anthropic-signed-thinking.js';
import { matchToolResults } from './anthropic-tool-results.js';
import { isToolName, TOOL_NAME_RULE } from './anthropic-tools.js';
import { parseExactly } from './exact-numbers.js';
import type { RequestProblems } from './request-problems.js';

export interface AnthropicConversation {
  readonly system: AnthropicBlock[];
  readonly turns: AnthropicTurn[];
}

/** As deep as a request's own body may nest: arguments are a JSON text within it. */
const MAX_ARGUMENTS_DEPTH = 64;

/** Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming */
const BROKEN_ARGUMENTS = 'INVALID_JSON';

/** Anthropic's conversations begin with the user. Said where one begins with the assistant, or has instructions alone. */
const OPENING: AnthropicBlock = { type: 'text', text: '(The assistant speaks first.)' };

/** The fields of a message that are read, by role, and those of an echoed answer that say nothing new. */
const KNOWN_FIELDS: Readonly<Record<string, ReadonlySet<string>>> = {
  system: new Set(['role', 'content', 'name', 'cache_control']),
  developer: new Set(['role', 'content', 'name', 'cache_control']),
  user: new Set(['role', 'content', 'name', 'cache_control']),
  assistant: new Set([
    'role',
    'content',
    'name',
    'refusal',
    'tool_calls',
    'reasoning_content',
    'reasoning_details',
    'annotations',
    'parsed',
    'cache_control',
    THINKING_BLOCKS,
  ]),
  tool: new Set(['role', 'content', 'tool_call_id', 'name', 'cache_control']),
};

/**
 * OpenAI's messages → Anthropic's turns. System and developer messages leave the conversation, in order; neighbours of
 * one role become one turn, since Anthropic's turns alternate; tool results are said by the user, all in one turn.
 */
export function toConversation(messages: readonly ChatMessage[], problems: RequestProblems): AnthropicConversation {
  const system: AnthropicBlock[] = [];
  const turns: AnthropicTurn[] = [];
  /** Where in the request the calls and results of tools stand. */
  const paths = new Map<AnthropicBlock, string>();
  messages.forEach((message, index) => {
    const path = `messages[${index}]`;
    const known = Object.hasOwn(KNOWN_FIELDS, message.role) ? KNOWN_FIELDS[message.role] : undefined;
    if (!known) {
      problems.refuse(`${path}.role`);
      return;
    }
    for (const [field, value] of Object.entries(message)) {
      if (!known.has(field) && value !== null && value !== undefined) problems.refuse(`${path}.${field}`);
    }
    const said = markLast(toMessageBlocks(message, path, paths, problems), message, path, problems);
    const blocks = withSpeaker(said, message);
    if (message.role === 'system' || message.role === 'developer') append(system, blocks);
    else addTurn(turns, message.role === 'assistant' ? 'assistant' : 'user', blocks);
  });
  trimPrefill(turns);
  matchToolResults(turns, paths, problems);
  if (turns[0]?.role !== 'user') turns.unshift({ role: 'user', content: [OPENING] });
  return { system, turns };
}

function toMessageBlocks(
  message: ChatMessage,
  path: string,
  paths: Map<AnthropicBlock, string>,
  problems: RequestProblems,
): AnthropicBlock[] {
  switch (message.role) {
    case 'assistant':
      return toAssistantBlocks(message, path, paths, problems);
    case 'tool':
      return [toToolResult(message, path, paths, problems)];
    case 'user':
      return toBlocks(message.content, `${path}.content`, problems, (part, at) => userBlock(part, at, problems));
    default:
      return toBlocks(message.content, `${path}.content`, problems, (part, at) => textBlock(part, at, problems));
  }
}

/** A mark on the whole message stands on its last block. */
function markLast(
  blocks: AnthropicBlock[],
  message: ChatMessage,
  path: string,
  problems: RequestProblems,
): AnthropicBlock[] {
  const mark = readCacheControl(message, path, problems);
  const last = blocks.at(-1);
  if (!mark || !last || message.role === 'tool') return blocks;
  return [...blocks.slice(0, -1), { ...last, cache_control: mark }];
}

/**
 * Anthropic has no place for the name of who speaks: it is said before the words. Not before the assistant's own, or
 * the model would begin its next answer so.
 */
function withSpeaker(blocks: AnthropicBlock[], { role, name }: ChatMessage): AnthropicBlock[] {
  if (role === 'assistant' || role === 'tool' || blocks.length === 0 || isBlank(name)) return blocks;
  return [{ type: 'text', text: `${name}:` }, ...blocks];
}

function addTurn(turns: AnthropicTurn[], role: AnthropicTurn['role'], content: AnthropicBlock[]): void {
  if (content.length === 0) return;
  const last = turns.at(-1);
  if (last?.role === role) append(last.content, content);
  else turns.push({ role, content });
}

/** One by one: a call takes no more arguments than the stack has room for. */
function append(blocks: AnthropicBlock[], more: readonly AnthropicBlock[]): void {
  for (const block of more) blocks.push(block);
}

function toAssistantBlocks(
  message: ChatMessage,
  path: string,
  paths: Map<AnthropicBlock, string>,
  problems: RequestProblems,
): AnthropicBlock[] {
  const thinking = readThinkingBlocks(message[THINKING_BLOCKS], `${path}.${THINKING_BLOCKS}`, problems);
  const blocks = toBlocks(message.content, `${path}.content`, problems, (part, at) =>
    assistantBlock(part, at, problems),
  );
  if (!isBlank(message.refusal)) blocks.push({ type: 'text', text: message.refusal });
  message.tool_calls?.forEach((call, index) => {
    const at = `${path}.tool_calls[${index}]`;
    const block = toToolUse(call, at, problems);
    if (!block) return;
    blocks.push(block);
    paths.set(block, at);
  });
  // Thinking alone is no turn: Anthropic refuses one that ends in it.
  if (blocks.length === 0 || thinking.length === 0) return blocks;
  append(thinking, blocks);
  return thinking;
}

function toToolUse(call: ChatToolCall, path: string, problems: RequestProblems): AnthropicBlock | null {
  if (call.type !== 'function' || !isObject(call.function)) {
    problems.refuse(path);
    return null;
  }
  const { name, arguments: text } = call.function;
  if (!isToolName(name)) problems.reject(`${path}.function.name`, TOOL_NAME_RULE);
  if (typeof text === 'string' && scanJson(Buffer.from(text), MAX_ARGUMENTS_DEPTH).depth > MAX_ARGUMENTS_DEPTH) {
    problems.reject(`${path}.function.arguments`, `must not nest deeper than ${MAX_ARGUMENTS_DEPTH} levels.`);
    return null;
  }
  return withCacheControl({ type: 'tool_use', id: call.id, name, input: readArguments(text) }, call, path, problems);
}

/** Arguments that are no object (a model's mistake, or an answer cut off) are shown to the model as the text they are. */
function readArguments(text: unknown): Record<string, unknown> {
  if (typeof text !== 'string' || text.trim() === '') return {};
  try {
    const value = parseExactly(text);
    if (value === null) return {};
    if (isObject(value)) return value;
  } catch {
    // What is no JSON is no object either.
  }
  return { [BROKEN_ARGUMENTS]: text };
}

function toToolResult(
  message: ChatMessage,
  path: string,
  paths: Map<AnthropicBlock, string>,
  problems: RequestProblems,
): AnthropicBlock {
  const said = toBlocks(message.content, `${path}.content`, problems, (part, at) => userBlock(part, at, problems));
  // What is within a result cannot be marked: the result as a whole is.
  const mark =
    readCacheControl(message, path, problems) ?? said.findLast((block) => block.cache_control)?.cache_control;
  const parts = said.map(({ cache_control: _mark, ...block }) => block);
  const content = typeof message.content === 'string' ? message.content : parts;
  const result: AnthropicBlock = {
    type: 'tool_result',
    tool_use_id: message.tool_call_id ?? '',
    ...(parts.length > 0 && { content }),
    ...(mark !== undefined && { cache_control: mark }),
  };
  paths.set(result, path);
  return result;
}

/** Anthropic continues a last assistant turn, and refuses one that ends in blanks. */
function trimPrefill(turns: AnthropicTurn[]): void {
  const last = turns.at(-1);
  const block = last?.content.at(-1);
  if (last?.role !== 'assistant' || block?.type !== 'text' || typeof block.text !== 'string') return;
  last.content.pop();
  last.content.push({ ...block, text: block.text.trimEnd() });
}

/** The turns without what was thought in them, for a request that does not think. */
export function withoutThinking(turns: readonly AnthropicTurn[]): readonly AnthropicTurn[] {
  if (!turns.some(({ content }) => content.some(isThinking))) return turns;
  return turns.map(({ role, content }) => ({ role, content: content.filter((block) => !isThinking(block)) }));
}
