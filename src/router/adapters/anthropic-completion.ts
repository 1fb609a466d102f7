import type { ChatChoice, ChatThinkingBlock, ChatToolCall } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import type { AnswerContext, ParsedCompletion } from '../../domain/provider-adapter.js';
import {
  findSignedThinking,
  finishReasonOf,
  readAnthropicUsage,
  refusalOf,
  toChatUsage,
  toolArguments,
} from './anthropic-answer.js';
import { CitedText } from './anthropic-citations.js';
import { isAnthropicError, readAnthropicError } from './anthropic-error.js';
import { JSON_ANSWER_TOOL, THINKING_BLOCKS } from './anthropic-own-words.js';
import { mayHoldExactNumbers, parseExactly } from './exact-numbers.js';
import { findText, invalidAnswer, parseAnswerObject } from './json-answer.js';

/** A whole answer of Anthropic's → a chat completion. Blocks of the provider's own tools are left out, text is kept. */
export function parseAnthropicCompletion(body: Buffer, context: AnswerContext): ParsedCompletion {
  const json = body.toString('utf8');
  const answer = parseAnswerObject(json);
  if (isAnthropicError(answer)) throw readAnthropicError(answer);
  if (!Array.isArray(answer.content)) throw invalidAnswer('a message without content');
  const blocks: readonly unknown[] = answer.content;
  const { message, answeredInJson } = readBlocks(blocks, findExactBlocks(json, blocks) ?? blocks, context);
  message.refusal = refusalOf(answer.stop_details);

  const usage = isObject(answer.usage) ? readAnthropicUsage(answer.usage) : null;
  const id = findText(answer.id) ?? context.requestId;
  const toolsUsed = { calls: message.tool_calls?.length ?? 0, answeredInJson };
  return {
    completion: {
      id: `chatcmpl-${id}`,
      object: 'chat.completion',
      created: context.createdSeconds,
      model: context.requestedModel,
      choices: [{ index: 0, message, logprobs: null, finish_reason: finishReasonOf(answer.stop_reason, toolsUsed) }],
      ...(usage && { usage: toChatUsage(usage) }),
    },
    usage,
    origin: { id: findText(answer.id) ?? null, model: findText(answer.model) ?? null },
  };
}

/** The same blocks with the digits of their numbers; null where that makes no difference, as nearly always. */
function findExactBlocks(json: string, blocks: readonly unknown[]): readonly unknown[] | null {
  const callsTools = blocks.some((block) => isObject(block) && block.type === 'tool_use');
  if (!callsTools || !mayHoldExactNumbers(json)) return null;
  const exact = parseExactly(json);
  return isObject(exact) && Array.isArray(exact.content) ? exact.content : null;
}

function readBlocks(
  blocks: readonly unknown[],
  exactBlocks: readonly unknown[],
  context: AnswerContext,
): { readonly message: ChatChoice['message']; readonly answeredInJson: boolean } {
  let text: string | null = null;
  let jsonAnswer: string | null = null;
  let reasoning = '';
  const cited = new CitedText();
  const thinkingBlocks: ChatThinkingBlock[] = [];
  const toolCalls: ChatToolCall[] = [];
  for (const [position, block] of blocks.entries()) {
    if (!isObject(block)) continue;
    if (block.type === 'text' && typeof block.text === 'string') {
      // Said beside an answer in JSON, it would make JSON of neither: it is what the model thought aloud.
      if (jsonAnswer !== null) reasoning += block.text;
      else text = (text ?? '') + citeText(cited, block.text, block.citations);
    } else if (block.type === 'thinking' || block.type === 'redacted_thinking') {
      reasoning += findText(block.thinking) ?? '';
      const signed = findSignedThinking(block);
      if (signed) thinkingBlocks.push(signed);
    } else if (block.type === 'tool_use') {
      const exact = exactBlocks[position];
      const input = toolArguments(isObject(exact) ? exact.input : block.input);
      if (block.name !== JSON_ANSWER_TOOL) {
        toolCalls.push({
          id: findText(block.id) ?? `call_${context.requestId}_${toolCalls.length}`,
          type: 'function',
          function: { name: findText(block.name) ?? '', arguments: input },
        });
      } else if (jsonAnswer === null) {
        // Only the first: two values in a row are no JSON.
        jsonAnswer = input;
        reasoning += text ?? '';
      }
    }
  }
  const annotations = jsonAnswer === null ? cited.annotations : [];
  const message: ChatChoice['message'] = {
    role: 'assistant',
    content: jsonAnswer ?? text,
    refusal: null,
    ...(reasoning !== '' && { reasoning_content: reasoning }),
    ...(thinkingBlocks.length > 0 && { [THINKING_BLOCKS]: thinkingBlocks }),
    ...(annotations.length > 0 && { annotations }),
    ...(toolCalls.length > 0 && { tool_calls: toolCalls }),
  };
  return { message, answeredInJson: jsonAnswer !== null };
}

function citeText(cited: CitedText, text: string, citations: unknown): string {
  const block = cited.openBlock();
  cited.add(text);
  if (Array.isArray(citations)) for (const citation of citations) cited.cite(block, citation);
  cited.closeBlock(block);
  return text;
}
