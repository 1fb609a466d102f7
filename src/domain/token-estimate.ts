import type { ChatCompletion } from './chat.js';
import { isObject } from './json.js';

/**
 * Tokens where nobody counted them. English text of the models in use today takes 4 to 5 bytes a token, code 3, other
 * scripts 3 to 6 bytes: one token per 4 bytes of UTF-8, rounded up, errs on the side of the bill for plain text.
 */
const BYTES_PER_TOKEN = 4;
/** What the roles and separators of one message take. */
const TOKENS_PER_MESSAGE = 4;
/** An image, a recording or a document: its size says little. Large images cost about this much at every provider. */
export const TOKENS_PER_MEDIUM = 1_000;

/** Fields that reach the model besides the messages. */
const TEXT_FIELDS = ['tools', 'functions', 'response_format', 'prediction'] as const;

/** What there is of a prompt to estimate by. */
export interface PromptSize {
  /** Of all texts in UTF-8, structures as JSON. */
  readonly bytes: number;
  readonly messages: number;
  readonly media: number;
}

export function estimateTokens(utf8Bytes: number): number {
  return Math.ceil(utf8Bytes / BYTES_PER_TOKEN);
}

/** `chat` may be of any shape: limits look at a request before anybody has checked it. */
export function measurePrompt(chat: object): PromptSize {
  const fields = chat as Readonly<Record<string, unknown>>;
  const messages: readonly unknown[] = Array.isArray(fields.messages) ? fields.messages : [];
  let bytes = 0;
  let media = 0;
  for (const field of TEXT_FIELDS) bytes += sizeOf(fields[field]);
  for (const message of messages) {
    if (!isObject(message)) {
      bytes += sizeOf(message);
      continue;
    }
    for (const name in message) {
      const value = message[name];
      if (name === 'role') continue;
      if (name !== 'content' || !Array.isArray(value)) {
        bytes += sizeOf(value);
        continue;
      }
      for (const part of value as readonly unknown[]) {
        if (isMedium(part)) media++;
        else bytes += sizeOf(isObject(part) && typeof part.text === 'string' ? part.text : part);
      }
    }
  }
  return { bytes, messages: messages.length, media };
}

/** Prompt tokens, as near as the texts say. */
export function estimatePromptTokens({ bytes, messages, media }: PromptSize): number {
  return estimateTokens(bytes) + messages * TOKENS_PER_MESSAGE + media * TOKENS_PER_MEDIUM;
}

/** Completion tokens of a whole answer. */
export function estimateCompletionTokens(completion: ChatCompletion): number {
  let bytes = 0;
  for (const { message } of completion.choices) {
    const { content, refusal, reasoning_content, tool_calls } = message;
    for (const text of [content, refusal, reasoning_content]) if (text) bytes += Buffer.byteLength(text);
    for (const call of tool_calls ?? [])
      bytes += Buffer.byteLength(`${call.function?.name}${call.function?.arguments}`);
  }
  return estimateTokens(bytes);
}

function isMedium(part: unknown): boolean {
  return isObject(part) && (part.image_url !== undefined || part.file !== undefined || part.input_audio !== undefined);
}

function sizeOf(value: unknown): number {
  if (value === undefined || value === null) return 0;
  return Buffer.byteLength(typeof value === 'string' ? value : JSON.stringify(value));
}
