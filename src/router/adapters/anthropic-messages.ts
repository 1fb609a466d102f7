import type { ChatMessage, ChatToolCall } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import { scanJson } from '../../domain/json-scan.js';
import { type AnthropicBlock, assistantBlock, textBlock, toBlocks, userBlock } from './anthropic-content.js';
import { findText } from './json-answer.js';
import type { RequestProblems } from './request-problems.js';

export interface AnthropicTurn {
  readonly role: 'user' | 'assistant';
  readonly content: AnthropicBlock[];
}

export interface AnthropicConversation {
  readonly system: AnthropicBlock[];
  readonly turns: AnthropicTurn[];
}

/** As deep as a request's own body may nest: arguments are a JSON text within it. */
const MAX_ARGUMENTS_DEPTH = 64;

/** The fields of a message that are read, by role, and those of an echoed answer that say nothing new. */
const KNOWN_FIELDS: Readonly<Record<string, ReadonlySet<string>>> = {
  system: new Set(['role', 'content']),
  developer: new Set(['role', 'content']),
  user: new Set(['role', 'content']),
  assistant: new Set(['role', 'content', 'refusal', 'tool_calls', 'reasoning_content', 'annotations']),
  tool: new Set(['role', 'content', 'tool_call_id', 'name']),
};

/**
 * OpenAI's messages → Anthropic's turns. System and developer messages leave the conversation, in order; neighbours of
 * one role become one turn, since Anthropic's turns alternate; tool results are said by the user, all in one turn.
 */
export function toConversation(messages: readonly ChatMessage[], problems: RequestProblems): AnthropicConversation {
  const system: AnthropicBlock[] = [];
  const turns: AnthropicTurn[] = [];
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
    if (message.role === 'system' || message.role === 'developer') {
      append(
        system,
        toBlocks(message.content, `${path}.content`, (part, at) => textBlock(part, at, problems)),
      );
    } else if (message.role === 'assistant') {
      addTurn(turns, 'assistant', toAssistantBlocks(message, path, problems));
    } else if (message.role === 'tool') {
      addTurn(turns, 'user', [toToolResult(message, path, problems)]);
    } else {
      addTurn(
        turns,
        'user',
        toBlocks(message.content, `${path}.content`, (part, at) => userBlock(part, at, problems)),
      );
    }
  });
  trimPrefill(turns);
  if (turns.length === 0) problems.reject('messages', 'must hold at least one message that is not a system message.');
  return { system, turns };
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

function toAssistantBlocks(message: ChatMessage, path: string, problems: RequestProblems): AnthropicBlock[] {
  const blocks = toBlocks(message.content, `${path}.content`, (part, at) => assistantBlock(part, at, problems));
  const refusal = findText(message.refusal);
  if (refusal !== undefined) blocks.push({ type: 'text', text: refusal });
  message.tool_calls?.forEach((call, index) => {
    const block = toToolUse(call, `${path}.tool_calls[${index}]`, problems);
    if (block) blocks.push(block);
  });
  return blocks;
}

function toToolUse(call: ChatToolCall, path: string, problems: RequestProblems): AnthropicBlock | null {
  if (call.type !== 'function' || !isObject(call.function)) {
    problems.refuse(path);
    return null;
  }
  const { name, arguments: text } = call.function;
  if (typeof text === 'string' && scanJson(Buffer.from(text), MAX_ARGUMENTS_DEPTH).depth > MAX_ARGUMENTS_DEPTH) {
    problems.reject(`${path}.function.arguments`, `must not nest deeper than ${MAX_ARGUMENTS_DEPTH} levels.`);
    return null;
  }
  const input = parseArguments(text);
  if (input === null) {
    problems.reject(`${path}.function.arguments`, 'must be the text of a JSON object.');
    return null;
  }
  return { type: 'tool_use', id: call.id, name, input };
}

function parseArguments(text: unknown): Record<string, unknown> | null {
  if (typeof text !== 'string' || text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function toToolResult(message: ChatMessage, path: string, problems: RequestProblems): AnthropicBlock {
  const content = toBlocks(message.content, `${path}.content`, (part, at) => textBlock(part, at, problems));
  return {
    type: 'tool_result',
    tool_use_id: message.tool_call_id ?? '',
    ...(content.length > 0 && { content: typeof message.content === 'string' ? message.content : content }),
  };
}

/** Anthropic continues a last assistant turn, and refuses one that ends in blanks. */
function trimPrefill(turns: AnthropicTurn[]): void {
  const last = turns.at(-1);
  const block = last?.content.at(-1);
  if (last?.role !== 'assistant' || block?.type !== 'text' || typeof block.text !== 'string') return;
  last.content.pop();
  const text = block.text.trimEnd();
  if (text !== '') last.content.push({ ...block, text });
  if (last.content.length === 0) turns.pop();
}
