import type { JsonObject, JsonValue } from './json.js';

/**
 * OpenAI's chat completions, the canonical form of every request and answer. Only what AEGIS reads is named;
 * unknown fields are kept.
 * Source: https://platform.openai.com/docs/api-reference/chat
 */
export interface ChatCompletionRequest {
  model: string;
  messages: ChatMessage[];
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean | null; [key: string]: JsonValue | undefined } | null;
  max_tokens?: number | null;
  max_completion_tokens?: number | null;
  temperature?: number | null;
  top_p?: number | null;
  n?: number | null;
  stop?: string | string[] | null;
  tools?: ChatTool[] | null;
  tool_choice?: ChatToolChoice | null;
  parallel_tool_calls?: boolean | null;
  response_format?: ChatResponseFormat | null;
  reasoning_effort?: string | null;
  user?: string | null;
  [key: string]: unknown;
}

export type ChatRole = 'system' | 'developer' | 'user' | 'assistant' | 'tool' | 'function';

export interface ChatMessage {
  role: ChatRole;
  content?: string | ChatContentPart[] | null;
  name?: string | null;
  tool_calls?: ChatToolCall[] | null;
  tool_call_id?: string | null;
  refusal?: string | null;
  [key: string]: unknown;
}

export interface ChatContentPart {
  type: string;
  text?: string;
  image_url?: { url: string; detail?: string };
  file?: { file_id?: string; file_data?: string; filename?: string };
  [key: string]: unknown;
}

export interface ChatToolCall {
  id: string;
  type: string;
  function: { name: string; arguments: string };
  [key: string]: unknown;
}

export interface ChatTool {
  type: string;
  function?: { name: string; description?: string; parameters?: JsonObject; strict?: boolean | null };
  [key: string]: unknown;
}

export type ChatToolChoice = string | { type: string; function?: { name: string }; [key: string]: unknown };

export interface ChatResponseFormat {
  type: string;
  json_schema?: { name: string; schema?: JsonObject; strict?: boolean | null; description?: string };
  [key: string]: unknown;
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'function_call';

export interface ChatUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details?: { cached_tokens?: number; [key: string]: unknown };
  completion_tokens_details?: { reasoning_tokens?: number; [key: string]: unknown };
  [key: string]: unknown;
}

export interface ChatCompletion {
  id: string;
  object: 'chat.completion';
  created: number;
  model: string;
  choices: ChatChoice[];
  usage?: ChatUsage;
  [key: string]: unknown;
}

export interface ChatChoice {
  index: number;
  message: {
    role: 'assistant';
    content: string | null;
    refusal: string | null;
    reasoning_content?: string;
    thinking_blocks?: ChatThinkingBlock[];
    annotations?: ChatAnnotation[];
    tool_calls?: ChatToolCall[];
    [key: string]: unknown;
  };
  finish_reason: FinishReason;
  logprobs: unknown;
  [key: string]: unknown;
}

/** Thinking as its provider signed it. Sent back unchanged it counts as the model's own. */
export type ChatThinkingBlock =
  | { type: 'thinking'; thinking: string; signature: string }
  | { type: 'redacted_thinking'; data: string };

/** A source of a piece of `content`: from `start_index` up to, not including, `end_index`, in Unicode code points. */
export interface ChatAnnotation {
  type: 'url_citation';
  url_citation: { url: string; title: string; start_index: number; end_index: number };
}

export interface ChatChunk {
  id: string;
  object: 'chat.completion.chunk';
  created: number;
  model: string;
  choices: ChatChunkChoice[];
  usage?: ChatUsage | null;
  [key: string]: unknown;
}

export interface ChatChunkChoice {
  index: number;
  delta: ChatDelta;
  finish_reason: FinishReason | null;
  logprobs?: unknown;
  [key: string]: unknown;
}

export interface ChatDelta {
  role?: 'assistant';
  content?: string | null;
  refusal?: string | null;
  reasoning_content?: string;
  /** Said once, all of them: clients do not agree on how two lists of one name are joined. So are annotations. */
  thinking_blocks?: ChatThinkingBlock[];
  annotations?: ChatAnnotation[];
  tool_calls?: ChatToolCallDelta[];
  [key: string]: unknown;
}

export interface ChatToolCallDelta {
  index: number;
  id?: string;
  type?: 'function';
  function?: { name?: string; arguments?: string };
}
