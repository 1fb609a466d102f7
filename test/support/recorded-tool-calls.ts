import { isObject } from '../../src/domain/json.js';
import type { Wire } from './provider-wire.js';
import { loadRecordings, type Recording } from './recordings.js';

export interface RecordedToolCalls {
  readonly recording: Recording;
  readonly wire: Wire | 'compatible';
  readonly calls: readonly { readonly name: string; readonly input: Readonly<Record<string, unknown>> }[];
}

/** Recorded answers that end in tool calls an application can run: one choice, arguments that are an object. */
export function loadToolCalls(folder: string): RecordedToolCalls[] {
  return loadRecordings(folder, ['chat.completions', 'messages']).flatMap(({ recording, oracle }) => {
    const { ok, choices, stop_reason: stopReason } = oracle;
    if (ok !== true || (choices ? choices.length !== 1 : stopReason !== 'tool_use')) return [];
    const said = choices
      ? (choices[0]?.tools ?? []).map(({ name, arguments: text }) => ({ name, input: findJson(text) }))
      : (oracle.tools ?? []);
    const calls = said.flatMap(({ name, input }) => (isObject(input) ? [{ name, input }] : []));
    if (calls.length === 0 || calls.length < said.length) return [];
    return [{ recording, wire: wireOf(recording.provider), calls }];
  });
}

function findJson(text: string): unknown {
  try {
    return JSON.parse(text || '{}');
  } catch {
    return undefined;
  }
}

function wireOf(provider: string): Wire | 'compatible' {
  if (provider === 'azure') return 'azure_openai';
  if (provider === 'openai' || provider === 'anthropic' || provider === 'vllm') return provider;
  return 'compatible';
}
