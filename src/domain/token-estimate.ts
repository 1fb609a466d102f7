import type { ChatCompletion, ChatCompletionRequest, ChatContentPart } from './chat.js';

/**
 * Tokens where nobody counted them. English text of the models in use today takes 4 to 5 bytes a token, code 3, other
 * scripts 3 to 6 bytes: one token per 4 bytes of UTF-8, rounded up, errs on the side of the bill for plain text.
 */
const BYTES_PER_TOKEN = 4;
/** What the roles and separators of one message take. */
const TOKENS_PER_MESSAGE = 4;
/** An image, a recording or a document: its size says little. Large images cost about this much at every provider. */
const TOKENS_PER_MEDIUM = 1_000;

export function estimateTokens(utf8Bytes: number): number {
  return Math.ceil(utf8Bytes / BYTES_PER_TOKEN);
}

/** Prompt tokens of a request, as near as its texts say. */
export function estimatePromptTokens(chat: ChatCompletionRequest): number {
  let bytes = sizeOf(chat.tools) + sizeOf(chat.response_format);
  let media = 0;
  for (const { content, tool_calls } of chat.messages) {
    bytes += sizeOf(tool_calls);
    if (typeof content === 'string') bytes += Buffer.byteLength(content);
    else if (Array.isArray(content)) {
      for (const part of content) {
        if (isMedium(part)) media++;
        else bytes += typeof part.text === 'string' ? Buffer.byteLength(part.text) : sizeOf(part);
      }
    }
  }
  return estimateTokens(bytes) + chat.messages.length * TOKENS_PER_MESSAGE + media * TOKENS_PER_MEDIUM;
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

function isMedium(part: ChatContentPart): boolean {
  return part.image_url !== undefined || part.file !== undefined || part.input_audio !== undefined;
}

function sizeOf(value: unknown): number {
  return value === undefined || value === null ? 0 : Buffer.byteLength(JSON.stringify(value));
}
