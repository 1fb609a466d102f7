import type { ChatCompletionRequest, ChatMessage, ChatTool, FinishReason } from '../../domain/chat.js';
import { exampleOf } from './schema-example.js';

/** What the last user message asks the simulator to do, in double square brackets. */
export interface SimulatorDirectives {
  /** `[[error:429]]`: fail with this HTTP status. */
  readonly errorStatus: number | null;
  /** `[[slow:20ms]]`: wait before each piece. */
  readonly pauseMs: number;
  /** `[[cut:3]]`: end the stream after so many tokens, with the answer unfinished. */
  readonly cutAfterTokens: number | null;
  /** `[[words:500]]`: answer with so many words. */
  readonly words: number | null;
}

/** What the simulator says: the same for the same request. */
export interface SimulatedAnswer {
  /** The text, token by token; empty where a tool is called. */
  readonly tokens: readonly string[];
  readonly toolCall: { readonly name: string; readonly arguments: string } | null;
  readonly finishReason: FinishReason;
  readonly promptTokens: number;
  /** Of one choice. */
  readonly completionTokens: number;
}

/** The simulator's token: up to 16 characters of a word, with the blanks before them. */
const TOKEN = /\s*\S{1,16}|\s+/g;
const MAX_ECHO_LENGTH = 2_000;
const MAX_PAUSE_MS = 60_000;
const MAX_WORDS = 100_000;
/** Four times what OpenAI takes. */
const MAX_STOP_SEQUENCES = 16;

function splitTokens(text: string): string[] {
  return text.match(TOKEN) ?? [];
}

export function readDirectives(chat: ChatCompletionRequest): SimulatorDirectives {
  const text = lastUserText(chat.messages);
  const find = (pattern: RegExp): number | null => {
    const found = pattern.exec(text)?.[1];
    return found === undefined ? null : Number(found);
  };
  const words = find(/\[\[words:(\d{1,9})\]\]/);
  return {
    errorStatus: find(/\[\[error:([45]\d\d)\]\]/),
    pauseMs: Math.min(find(/\[\[slow:(\d{1,9})(?:ms)?\]\]/) ?? 0, MAX_PAUSE_MS),
    cutAfterTokens: find(/\[\[cut:(\d{1,9})\]\]/),
    words: words === null ? null : Math.min(words, MAX_WORDS),
  };
}

export function simulateAnswer(chat: ChatCompletionRequest, directives: SimulatorDirectives): SimulatedAnswer {
  const promptTokens = chat.messages.reduce((sum, message) => sum + countMessage(message), 0);
  const tool = findCalledTool(chat);
  if (tool?.function) {
    const text = JSON.stringify(exampleOf({ type: 'object', ...tool.function.parameters }));
    return {
      tokens: [],
      toolCall: { name: tool.function.name, arguments: text },
      finishReason: 'tool_calls',
      promptTokens,
      completionTokens: splitTokens(text).length,
    };
  }
  const said = splitTokens(untilStop(composeText(chat, directives), chat.stop));
  const limit = chat.max_completion_tokens ?? chat.max_tokens ?? null;
  const tokens = limit === null ? said : said.slice(0, Math.max(0, limit));
  return {
    tokens,
    toolCall: null,
    finishReason: tokens.length < said.length ? 'length' : 'stop',
    promptTokens,
    completionTokens: tokens.length,
  };
}

function composeText(chat: ChatCompletionRequest, directives: SimulatorDirectives): string {
  const format = chat.response_format;
  if (format?.type === 'json_schema')
    return JSON.stringify(exampleOf(format.json_schema?.schema ?? { type: 'object' }));
  if (directives.words !== null)
    return Array.from({ length: directives.words }, (_, index) => `word${index + 1}`).join(' ');
  const last = chat.messages.at(-1);
  const said = last
    ? textOf(last)
        .replace(/\[\[\w+:\w+\]\]/g, '')
        .trim()
        .slice(0, MAX_ECHO_LENGTH)
    : '';
  const answer = last?.role === 'tool' ? `The tool answered: ${said}` : `You said: ${said}`;
  return format?.type === 'json_object' ? JSON.stringify({ answer }) : answer;
}

/** A tool that must be called, or that the last message, a user's, asks for with `call NAME`. */
function findCalledTool(chat: ChatCompletionRequest): ChatTool | undefined {
  const tools = (chat.tools ?? []).filter((tool) => tool.type === 'function' && tool.function);
  const choice = chat.tool_choice;
  if (choice === 'none') return undefined;
  if (choice === 'required') return tools[0];
  const named = typeof choice === 'object' && choice !== null ? choice.function?.name : undefined;
  if (named !== undefined) return tools.find((tool) => tool.function?.name === named);
  const last = chat.messages.at(-1);
  const asked = last?.role === 'user' ? /^call\s+([\w.-]+)/i.exec(textOf(last).trim())?.[1] : undefined;
  return tools.find((tool) => tool.function?.name === asked);
}

function untilStop(text: string, stop: ChatCompletionRequest['stop']): string {
  const sequences = typeof stop === 'string' ? [stop] : (stop ?? []).slice(0, MAX_STOP_SEQUENCES);
  const places = sequences.filter((sequence) => sequence !== '').map((sequence) => text.indexOf(sequence));
  return text.slice(0, Math.min(text.length, ...places.filter((place) => place !== -1)));
}

function lastUserText(messages: readonly ChatMessage[]): string {
  const message = messages.findLast(({ role }) => role === 'user');
  return message ? textOf(message) : '';
}

function textOf({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map(({ text }) => text ?? '').join('\n');
}

function countMessage(message: ChatMessage): number {
  const calls = (message.tool_calls ?? []).map((call) => `${call.function?.name} ${call.function?.arguments}`);
  return splitTokens([textOf(message), ...calls].join(' ')).length;
}
