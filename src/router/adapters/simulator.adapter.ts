import { setTimeout as wait } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { ChatCompletionRequest } from '../../domain/chat.js';
import type { LocalAdapter, UpstreamRequest } from '../../domain/provider-adapter.js';
import { OpenAiFormatAdapter } from './openai-format.adapter.js';
import { readDirectives, type SimulatedAnswer, simulateAnswer } from './simulator-answer.js';
import { toUpstreamError } from './upstream-faults.js';

/**
 * A provider inside this process: no network, no key, the same answer to the same request. It answers in OpenAI's
 * format and leaves `id` and `created` to whoever reads the answer, who knows the request. `docs/translation.md` says
 * what it can be asked to do.
 */
@Injectable()
export class SimulatorAdapter extends OpenAiFormatAdapter implements LocalAdapter {
  override readonly type = 'simulator';

  async *answer(request: UpstreamRequest): AsyncIterable<Buffer> {
    // The body is AEGIS's own: screened, and well-formed.
    const chat: ChatCompletionRequest = JSON.parse(request.body.toString());
    const directives = readDirectives(chat);
    if (directives.pauseMs > 0) await wait(directives.pauseMs);
    if (directives.errorStatus !== null) {
      const stated = { message: 'The simulator was asked to fail.', type: null, code: 'simulated_error', param: null };
      throw toUpstreamError(directives.errorStatus, stated, { fromStatus: true });
    }
    const answer = simulateAnswer(chat, directives);
    if (chat.stream !== true) {
      yield Buffer.from(JSON.stringify(toCompletion(chat, answer)));
      return;
    }
    for (const piece of toPieces(chat, answer, directives.cutAfterTokens)) {
      yield Buffer.from(`data: ${piece}\n\n`);
      if (directives.pauseMs > 0) await wait(directives.pauseMs);
    }
  }

  protected override buildUrl(): string {
    return 'simulator:/chat/completions';
  }
}

function toCompletion(chat: ChatCompletionRequest, answer: SimulatedAnswer): unknown {
  return {
    object: 'chat.completion',
    model: chat.model,
    choices: indexes(chat).map((index) => ({
      index,
      message: {
        role: 'assistant',
        content: answer.toolCall ? null : answer.tokens.join(''),
        ...(answer.toolCall && { tool_calls: [toToolCall(answer.toolCall, index)] }),
      },
      finish_reason: answer.finishReason,
    })),
    usage: toUsage(chat, answer),
  };
}

function* toPieces(chat: ChatCompletionRequest, answer: SimulatedAnswer, cutAfter: number | null): Generator<string> {
  const choices = indexes(chat);
  const piece = (index: number, delta: object, finishReason: string | null = null): string =>
    JSON.stringify({
      object: 'chat.completion.chunk',
      model: chat.model,
      choices: [{ index, delta, finish_reason: finishReason }],
    });
  for (const index of choices) {
    yield piece(index, { role: 'assistant', content: answer.toolCall ? null : '' });
    if (answer.toolCall) yield piece(index, { tool_calls: [{ index: 0, ...toToolCall(answer.toolCall, index) }] });
  }
  for (const [position, token] of answer.tokens.entries()) {
    if (position === cutAfter) return;
    for (const index of choices) yield piece(index, { content: token });
  }
  if (cutAfter !== null) return;
  for (const index of choices) yield piece(index, {}, answer.finishReason);
  yield JSON.stringify({
    object: 'chat.completion.chunk',
    model: chat.model,
    choices: [],
    usage: toUsage(chat, answer),
  });
  yield '[DONE]';
}

function toToolCall(call: { readonly name: string; readonly arguments: string }, index: number): object {
  return { id: `call_simulated_${index}`, type: 'function', function: { ...call } };
}

function toUsage(chat: ChatCompletionRequest, answer: SimulatedAnswer): object {
  const completionTokens = answer.completionTokens * indexes(chat).length;
  return {
    prompt_tokens: answer.promptTokens,
    completion_tokens: completionTokens,
    total_tokens: answer.promptTokens + completionTokens,
  };
}

function indexes(chat: ChatCompletionRequest): number[] {
  return Array.from({ length: Math.min(Math.max(chat.n ?? 1, 1), 16) }, (_, index) => index);
}
