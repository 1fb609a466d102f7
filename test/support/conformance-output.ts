import type { OpenAiSchema } from './openai-schema.js';

/** What a client read off the wire. */
export interface RawAnswer {
  readonly status: number;
  readonly text: string;
  /** Whether the body ended as HTTP has it. */
  readonly clean: boolean;
}

type Json = Readonly<Record<string, unknown>>;

/** A stream of AEGIS's taken apart. */
export interface StreamOutput {
  readonly chunks: readonly Json[];
  /** The events before the error, as they are on the wire. */
  readonly before: string;
  readonly error: Json | null;
  /** What no client could read, or should not have to. */
  readonly faults: readonly string[];
}

/** Takes a stream apart: chunks, then either `[DONE]` and a clean end, or one error and an unclean one. */
export function readStream({ text, clean }: RawAnswer): StreamOutput {
  const faults: string[] = [];
  const chunks: Json[] = [];
  let error: Json | null = null;
  let before = '';
  let isDone = false;
  const events = text.split('\n\n');
  if (events.pop() !== '') faults.push('the last event is not complete');
  for (const event of events) {
    if (isDone) faults.push(`an event after [DONE]: ${event.slice(0, 80)}`);
    if (error) faults.push(`an event after the error: ${event.slice(0, 80)}`);
    if (event === 'data: [DONE]') {
      isDone = true;
      continue;
    }
    const value = parseEvent(event);
    if (value === null) faults.push(`an event that is no JSON on one line: ${event.slice(0, 80)}`);
    else if ('error' in value) error = value.error as Json;
    else chunks.push(value);
    if (!error) before += `${event}\n\n`;
  }
  if (error && isDone) faults.push('an error and [DONE]');
  if (!error && !isDone) faults.push('neither [DONE] nor an error at the end');
  if (error && clean) faults.push('an error, and the body ends as if it were whole');
  if (!error && !clean) faults.push('no error, and the connection breaks');
  return { chunks, before, error, faults };
}

function parseEvent(event: string): Json | null {
  if (!event.startsWith('data: {') || /[\r\n]/.test(event)) return null;
  try {
    return JSON.parse(event.slice(6)) as Json;
  } catch {
    return null;
  }
}

export interface OutputRules {
  readonly schema: OpenAiSchema;
  readonly alias: string;
  readonly usageAsked: boolean;
}

interface ChoiceState {
  finished: boolean;
  tools: number;
}

/** All that a whole stream's chunks do that OpenAI's own would not. */
export function chunkFaults(chunks: readonly unknown[], { schema, alias, usageAsked }: OutputRules): string[] {
  const faults = new Set<string>();
  const choices = new Map<unknown, ChoiceState>();
  const first = asRecord(chunks[0]);
  let usages = 0;
  if (chunks.length === 0) faults.add('no chunk at all');
  for (const value of chunks) {
    for (const fault of schema.checkChunk(value)) faults.add(`schema: ${fault}`);
    const chunk = asRecord(value);
    if (!chunk.id || chunk.id !== first.id) faults.add('the id is not the same all the way');
    if (chunk.created !== first.created) faults.add('created is not the same all the way');
    if (chunk.model !== alias) faults.add(`model is ${JSON.stringify(chunk.model)}, not the alias`);
    if (usages > 0) faults.add('a chunk after the usage');
    const entries = Array.isArray(chunk.choices) ? chunk.choices.map(asRecord) : [];
    if (chunk.usage !== undefined && chunk.usage !== null) {
      usages++;
      if (entries.length > 0) faults.add('usage beside a choice');
    }
    for (const entry of entries) checkChoice(entry, choices, faults);
  }
  for (const [index, { finished }] of choices) if (!finished) faults.add(`choice ${index} has no finish`);
  if (choices.size === 0) faults.add('no choice at all');
  if (usages > 0 && !usageAsked) faults.add('usage, and nobody asked for it');
  return [...faults];
}

function checkChoice(entry: Json, choices: Map<unknown, ChoiceState>, faults: Set<string>): void {
  const delta = asRecord(entry.delta);
  const known = choices.get(entry.index);
  const state = known ?? { finished: false, tools: 0 };
  choices.set(entry.index, state);
  if (!known && delta.role !== 'assistant') faults.add(`choice ${entry.index} begins without a role`);
  if (known && delta.role !== undefined && delta.role !== null) faults.add(`choice ${entry.index} has a second role`);
  if (state.finished) faults.add(`choice ${entry.index} goes on after its finish`);
  for (const call of Array.isArray(delta.tool_calls) ? delta.tool_calls.map(asRecord) : []) {
    const index = Number(call.index);
    const isNew = index === state.tools;
    if (index > state.tools || !Number.isInteger(index)) faults.add(`tool call ${call.index} leaves a gap`);
    if (isNew) {
      state.tools++;
      if (!call.id || !call.type) faults.add(`tool call ${index} begins without an id or a type`);
    } else if (call.id !== undefined) faults.add(`tool call ${index} says its id again`);
  }
  if (entry.finish_reason !== null && entry.finish_reason !== undefined) state.finished = true;
}

/** What the usage chunk of a stream says; null where there is none. */
export function usageIn(chunks: readonly unknown[]): unknown {
  return (
    chunks.map((chunk) => asRecord(chunk).usage).findLast((usage) => usage !== undefined && usage !== null) ?? null
  );
}

/** The same text wherever AEGIS's own clock stood. */
export function withoutTime(text: string): string {
  return text.replace(/"created":\d+/g, '"created":0');
}

function asRecord(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}
