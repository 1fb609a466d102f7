import type { FinishReason } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import { findText, invalidAnswer } from './json-answer.js';
import { isFailedChoice, readInBandError } from './openai-error.js';
import { readFinishReason, repairLogprobs, repairTexts } from './openai-repair.js';
import { StreamedToolCalls } from './openai-streamed-tools.js';

/** What became of one choice of a streamed chunk. */
export interface ChoiceOutcome {
  /** False where nothing of the choice is left to send now. */
  readonly kept: boolean;
  readonly changed: boolean;
}

/**
 * One choice of an OpenAI-format stream: its role comes first, its tool calls count from 0, and its finish is held
 * back to the end, because some servers send it once a tool call, or before their last text.
 */
export class StreamedChoice {
  hasContent = false;
  private started = false;
  private finishReason: FinishReason | null = null;
  private lastFields: Record<string, unknown> = {};
  private readonly toolCalls: StreamedToolCalls;

  constructor(
    private readonly index: number,
    requestId: string,
  ) {
    this.toolCalls = new StreamedToolCalls(`call_${requestId}_${index}`);
  }

  get isFinished(): boolean {
    return this.finishReason !== null;
  }

  /** Brings the choice to OpenAI's published shape, in place, and takes its finish out of it. */
  take(choice: Record<string, unknown>): ChoiceOutcome {
    if (isFailedChoice(choice)) throw readInBandError(choice);
    let changed = choice.index !== this.index;
    choice.index = this.index;
    const given = findDelta(choice);
    const delta = given ?? this.findMessage(choice) ?? {};
    if (given === undefined) {
      choice.delta = delta;
      changed = true;
    }
    changed = repairTexts(delta) || changed;
    if (Array.isArray(delta.tool_calls)) changed = this.toolCalls.repair(delta.tool_calls) || changed;
    changed = repairLogprobs(choice) || changed;
    const says = saysSomething(delta);
    if (says) this.hasContent = true;

    const finishReason = readFinishReason(choice.finish_reason);
    if (finishReason !== null) {
      this.hasContent = true;
      this.finishReason = finishReason;
      const { delta: _delta, logprobs: _logprobs, ...fields } = choice;
      this.lastFields = fields;
    }
    if (choice.finish_reason !== null) {
      choice.finish_reason = null;
      changed = true;
    }
    // Azure's late filter results come after the finish, and count by the place in the text they speak of.
    const isSpent = this.isFinished && !says && !('content_filter_offsets' in choice);
    if (isSpent && this.started) return { kept: false, changed: true };
    return { kept: true, changed: this.repairRole(delta) || changed };
  }

  /** The choice's last words: arguments for tools that were given none, then its one finish. */
  end(): Record<string, unknown>[] {
    const pieces: Record<string, unknown>[] = [];
    for (const index of this.toolCalls.withoutArguments()) {
      const delta = { tool_calls: [{ index, function: { arguments: '{}' } }] };
      pieces.push({ index: this.index, delta, logprobs: null, finish_reason: null });
    }
    const finishReason = this.finishReason ?? (this.toolCalls.count > 0 ? 'tool_calls' : 'stop');
    pieces.push({ ...this.lastFields, index: this.index, delta: {}, logprobs: null, finish_reason: finishReason });
    return pieces;
  }

  /** A server that does not stream may send the whole message in one chunk. */
  private findMessage(choice: Record<string, unknown>): Record<string, unknown> | undefined {
    if (this.hasContent || !isObject(choice.message)) return undefined;
    const { message } = choice;
    delete choice.message;
    return message;
  }

  private repairRole(delta: Record<string, unknown>): boolean {
    if (!this.started) {
      this.started = true;
      if (delta.role === 'assistant') return false;
      delta.role = 'assistant';
      return true;
    }
    if (!('role' in delta)) return false;
    delete delta.role;
    return true;
  }
}

function findDelta({ delta }: Record<string, unknown>): Record<string, unknown> | undefined {
  if (delta === undefined || delta === null) return undefined;
  if (!isObject(delta)) throw invalidAnswer('a delta that is no object');
  return delta;
}

function saysSomething(delta: Record<string, unknown>): boolean {
  return (
    findText(delta.content) !== undefined ||
    findText(delta.reasoning_content) !== undefined ||
    findText(delta.refusal) !== undefined ||
    Array.isArray(delta.tool_calls) ||
    isObject(delta.function_call) ||
    isObject(delta.audio)
  );
}
