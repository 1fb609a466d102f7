import {
  asText,
  type Event,
  isError,
  isGivingUp,
  isRecord,
  type Json,
  Malformed,
  meaningOf,
  parseObject,
  type Reading,
  readWhole,
  StreamReading,
  type ToldChoice,
  type ToldTool,
} from './conformance-told.js';

interface Slot {
  key: unknown;
  id: unknown;
  name: string;
  arguments: string;
}

interface OpenChoice {
  index: number;
  finish: string | null;
  text: string;
  refusal: string;
  reasoning: string;
  slots: Slot[];
  functionCall: { name: string; arguments: string } | null;
}

/** A stream of chat completion chunks, with the liberties that servers take. */
export class ChatStreamReading extends StreamReading {
  private readonly choices = new Map<number, OpenChoice>();
  /** A server that counts says `"usage": null` in every chunk before the one with the count. */
  private awaitsUsage = false;

  protected take({ name, data }: Event): void {
    if (this.closed) return;
    if (data.trim() === '[DONE]') {
      this.closed = true;
      return;
    }
    const chunk = parseObject(data);
    if (isError(chunk) || name === 'error') {
      this.fail(chunk.error ?? chunk);
      return;
    }
    if (isRecord(chunk.usage)) this.usage = chunk.usage;
    if (chunk.usage === null) this.awaitsUsage = true;
    if (!Array.isArray(chunk.choices)) {
      if (isRecord(chunk.usage) || chunk.choices === null || (name !== '' && name !== 'message')) return;
      throw new Malformed('an event that is no chunk');
    }
    chunk.choices.forEach((choice: unknown, position) => {
      if (!isRecord(choice)) throw new Malformed('a choice that is no object');
      this.takeChoice(choice, position);
    });
  }

  private takeChoice(choice: Json, position: number): void {
    const index = typeof choice.index === 'number' ? choice.index : position;
    const known = this.choices.get(index);
    const open: OpenChoice = known ?? {
      index,
      finish: null,
      text: '',
      refusal: '',
      reasoning: '',
      slots: [],
      functionCall: null,
    };
    this.choices.set(index, open);
    const delta = isRecord(choice.delta) ? choice.delta : {};
    const said = textsOf(delta);
    const calls = Array.isArray(delta.tool_calls) ? delta.tool_calls.filter(isRecord) : [];
    if (open.finish !== null && (said.text || said.refusal || said.reasoning || calls.length > 0)) {
      this.oddities.add('words after a finish');
    }
    open.text += said.text;
    open.refusal += said.refusal;
    open.reasoning += said.reasoning;
    for (const call of calls) this.takeCall(open.slots, call);
    if (isRecord(delta.function_call)) {
      open.functionCall ??= { name: '', arguments: '' };
      open.functionCall.name += asText(delta.function_call.name);
      open.functionCall.arguments += asText(delta.function_call.arguments);
    }
    if (typeof choice.finish_reason === 'string' && choice.finish_reason !== '') open.finish = choice.finish_reason;
    if (isGivingUp(open.finish)) this.fail({ message: open.finish });
  }

  /** A call is known by its id, else by its index; without both, a name begins a new one. */
  private takeCall(slots: Slot[], call: Json): void {
    const called = isRecord(call.function) ? call.function : isRecord(call.custom) ? call.custom : {};
    const id = asText(call.id);
    const name = asText(called.name);
    if (typeof call.index !== 'number') this.oddities.add('a tool call without an index');
    let slot = id === '' ? undefined : slots.find((candidate) => candidate.id === id);
    if (!slot && id === '') {
      slot =
        typeof call.index === 'number'
          ? slots.findLast((candidate) => candidate.key === call.index)
          : name === ''
            ? slots.at(-1)
            : undefined;
    }
    if (!slot) {
      if (typeof call.index === 'number' && slots.some(({ key }) => key === call.index)) {
        this.oddities.add('tool calls that share an index');
      }
      slot = { key: call.index, id, name, arguments: '' };
      slots.push(slot);
    }
    const given = called.arguments ?? called.input;
    slot.arguments += isRecord(given) ? JSON.stringify(given) : asText(given);
  }

  protected isWhole(): boolean {
    const choices = [...this.choices.values()];
    if (choices.length === 0) return false;
    const isAwaited = this.awaitsUsage && this.usage === null;
    return this.closed || (!isAwaited && choices.every(({ finish }) => finish !== null));
  }

  protected told(): ToldChoice[] {
    const choices = [...this.choices.values()].sort((first, second) => first.index - second.index);
    return choices.map(({ slots, functionCall, ...choice }) => ({
      ...choice,
      tools: slots.map((slot) => ({ name: slot.name, arguments: meaningOf(slot.arguments) })),
      functionCall: functionCall && { name: functionCall.name, arguments: meaningOf(functionCall.arguments) },
    }));
  }
}

export function readCompletion(body: string): Reading {
  return readWhole(body, (answer) => {
    if (!Array.isArray(answer.choices) || answer.choices.length === 0) return null;
    return answer.choices.filter(isRecord).map((choice, position) => {
      const message = isRecord(choice.message) ? choice.message : {};
      const calls = Array.isArray(message.tool_calls) ? message.tool_calls.filter(isRecord) : [];
      const finish = typeof choice.finish_reason === 'string' ? choice.finish_reason : null;
      return {
        index: typeof choice.index === 'number' ? choice.index : position,
        finish,
        ...textsOf(message),
        tools: calls.map((call) => toTool(call.function ?? call.custom)),
        functionCall: isRecord(message.function_call) ? toTool(message.function_call) : null,
      };
    });
  });
}

function toTool(called: unknown): ToldTool {
  if (!isRecord(called)) return { name: '', arguments: {} };
  const given = called.arguments ?? called.input;
  return { name: asText(called.name), arguments: isRecord(given) ? given : meaningOf(asText(given)) };
}

/** What a message or a delta says, in whichever field servers put it. */
function textsOf(message: Json): { text: string; refusal: string; reasoning: string } {
  const parts = Array.isArray(message.content) ? message.content : [];
  const text = typeof message.content === 'string' ? message.content : parts.map((part) => partText(part)).join('');
  const thought = parts.map((part) => (isRecord(part) ? thinkingText(part.thinking) : '')).join('');
  return {
    text,
    refusal: asText(message.refusal),
    reasoning:
      asText(message.reasoning_content) || asText(message.reasoning) || thought || partsText(message.reasoning_details),
  };
}

/** OpenRouter's parts of reasoning. */
function partsText(parts: unknown): string {
  if (!Array.isArray(parts)) return '';
  return parts.map((part) => partText(part) || (isRecord(part) ? asText(part.summary) : '')).join('');
}

function partText(part: unknown): string {
  return isRecord(part) ? asText(part.text) : asText(part);
}

function thinkingText(thinking: unknown): string {
  return Array.isArray(thinking) ? thinking.map((part) => partText(part)).join('') : asText(thinking);
}
