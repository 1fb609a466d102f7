import type { ChatToolCall } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import type { AnswerContext, ParsedCompletion } from '../../domain/provider-adapter.js';
import { finishReasonOf, readAnthropicUsage, refusalOf, toChatUsage, toolArguments } from './anthropic-answer.js';
import { isAnthropicError, readAnthropicError } from './anthropic-error.js';
import { findText, invalidAnswer, parseAnswerObject } from './json-answer.js';

/** A whole answer of Anthropic's → a chat completion. Blocks of the provider's own tools are left out, text is kept. */
export function parseAnthropicCompletion(body: Buffer, context: AnswerContext): ParsedCompletion {
  const answer = parseAnswerObject(body.toString('utf8'));
  if (isAnthropicError(answer)) throw readAnthropicError(answer);
  if (!Array.isArray(answer.content)) throw invalidAnswer('a message without content');

  let text: string | null = null;
  let reasoning = '';
  const toolCalls: ChatToolCall[] = [];
  for (const block of answer.content) {
    if (!isObject(block)) continue;
    if (block.type === 'text' && typeof block.text === 'string') text = (text ?? '') + block.text;
    if (block.type === 'thinking' && typeof block.thinking === 'string') reasoning += block.thinking;
    if (block.type === 'tool_use') {
      toolCalls.push({
        id: findText(block.id) ?? `call_${context.requestId}_${toolCalls.length}`,
        type: 'function',
        function: { name: findText(block.name) ?? '', arguments: toolArguments(block.input) },
      });
    }
  }

  const usage = isObject(answer.usage) ? readAnthropicUsage(answer.usage) : null;
  const id = findText(answer.id) ?? context.requestId;
  return {
    completion: {
      id: `chatcmpl-${id}`,
      object: 'chat.completion',
      created: context.createdSeconds,
      model: context.requestedModel,
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: text,
            refusal: refusalOf(answer.stop_details),
            ...(reasoning !== '' && { reasoning_content: reasoning }),
            ...(toolCalls.length > 0 && { tool_calls: toolCalls }),
          },
          logprobs: null,
          finish_reason: finishReasonOf(answer.stop_reason),
        },
      ],
      ...(usage && { usage: toChatUsage(usage) }),
    },
    usage,
  };
}
