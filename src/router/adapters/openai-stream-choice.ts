import type { FinishReason } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import { findText } from './json-answer.js';
import { argumentsText, readFinishReason, repairLogprobs, repairTexts } from './openai-repair.js';

/** What became of one choice of a streamed chunk. */
export interface ChoiceOutcome {
  /** False where nothing of the choice is left to send now. */
  readonly kept: boolean;
  readonly changed: boolean;
}

interface ToolCall {
  readonly id: string;
  hasArguments: boolean;
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
  private readonly toolCalls: ToolCall[] = [];
  private readonly toolPlaces = new Map<number, number>();

  constructor(
    private readonly index: number,
    private readonly requestId: string,
  ) {}

  get isFinished(): boolean {
    return this.finishReason !== null;
  }

  /** Brings the choice to OpenAI's published shape, in place, and takes its finish out of it. */
  take(choice: Record<string, unknown>): ChoiceOutcome {
    let changed = choice.index !== this.index;
    choice.index = this.index;
    if (!isObject(choice.delta)) {
      choice.delta = {};
      changed = true;
    }
    const delta = choice.delta as Record<string, unknown>;
    changed = repairTexts(delta) || changed;
    changed = this.repairToolCalls(delta) || changed;
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
    this.toolCalls.forEach((call, index) => {
      if (call.hasArguments) return;
      const delta = { tool_calls: [{ index, function: { arguments: '{}' } }] };
      pieces.push({ index: this.index, delta, logprobs: null, finish_reason: null });
    });
    const finishReason = this.finishReason ?? (this.toolCalls.length > 0 ? 'tool_calls' : 'stop');
    pieces.push({ ...this.lastFields, index: this.index, delta: {}, logprobs: null, finish_reason: finishReason });
    return pieces;
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

  private repairToolCalls(delta: Record<string, unknown>): boolean {
    if (!Array.isArray(delta.tool_calls)) return false;
    let changed = false;
    for (const call of delta.tool_calls) {
      if (isObject(call) && call.type !== 'custom' && !isObject(call.custom)) {
        changed = this.repairToolCall(call) || changed;
      }
    }
    return changed;
  }

  private repairToolCall(call: Record<string, unknown>): boolean {
    const called = isObject(call.function) ? call.function : {};
    let changed = called !== call.function;
    call.function = called;

    const id = findText(call.id);
    const { place, isNew } = this.placeOf(call.index, id, findText(called.name));
    const toolCall = this.toolCalls[place];
    if (call.index !== place) {
      call.index = place;
      changed = true;
    }
    if (isNew) {
      if (call.id !== toolCall?.id || call.type !== 'function') {
        call.id = toolCall?.id;
        call.type = 'function';
        changed = true;
      }
    } else if ('id' in call || 'type' in call || 'name' in called) {
      // Said once: clients that join deltas would join the repetitions too.
      delete call.id;
      delete call.type;
      delete called.name;
      changed = true;
    }
    if (called.arguments !== undefined || isNew) {
      const text = argumentsText(called.arguments);
      if (toolCall && text !== '') toolCall.hasArguments = true;
      if (called.arguments !== text) {
        called.arguments = text;
        changed = true;
      }
    }
    return changed;
  }

  /** Which of our tool calls a delta continues, or the next one it begins. Servers may omit or repeat their index. */
  private placeOf(index: unknown, id: string | undefined, name: string | undefined): { place: number; isNew: boolean } {
    const upstreamIndex = typeof index === 'number' ? index : undefined;
    const known = upstreamIndex === undefined ? undefined : this.toolPlaces.get(upstreamIndex);
    if (id !== undefined) {
      const place = this.toolCalls.findIndex((call) => call.id === id);
      if (place !== -1) return { place, isNew: false };
    } else if (known !== undefined) {
      return { place: known, isNew: false };
    } else if (upstreamIndex === undefined && name === undefined && this.toolCalls.length > 0) {
      return { place: this.toolCalls.length - 1, isNew: false };
    }
    const place = this.toolCalls.length;
    this.toolCalls.push({ id: id ?? `call_${this.requestId}_${this.index}_${place}`, hasArguments: false });
    if (upstreamIndex !== undefined) this.toolPlaces.set(upstreamIndex, place);
    return { place, isNew: true };
  }
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
