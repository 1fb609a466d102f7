import { jsonAnswer, type ScriptedAnswer } from './scriptable-upstream.js';

/** The wire formats a gateway meets, each with what its server alone does. */
export const WIRES = ['openai', 'azure_openai', 'vllm', 'anthropic'] as const;
export type Wire = (typeof WIRES)[number];

export interface ModelCall {
  readonly id: string;
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** What a model says, before any provider's words. */
export interface ModelAnswer {
  /** Only vLLM and Anthropic show it. */
  readonly thinking?: string;
  readonly text?: string;
  readonly calls?: readonly ModelCall[];
  readonly promptTokens: number;
  readonly completionTokens: number;
}

export const SIGNATURE = 'EqoBCkgIARABGAIiQOm9fX2pW3tq0Ugj1Z7bVYc8cGxhaW4gbm90aGluZw==';

/** The answer as a provider of this kind sends it, written from its documentation. */
export function wireAnswer(wire: Wire, answer: ModelAnswer, stream: boolean): ScriptedAnswer {
  switch (wire) {
    case 'openai':
      return stream ? openAiStream(answer) : jsonAnswer(200, openAiCompletion(answer));
    case 'azure_openai':
      return stream ? azureStream(answer) : jsonAnswer(200, azureCompletion(answer));
    case 'vllm':
      return stream ? vllmStream(answer) : jsonAnswer(200, vllmCompletion(answer));
    case 'anthropic':
      return stream ? anthropicStream(answer) : jsonAnswer(200, anthropicMessage(answer));
  }
}

const ENVELOPE = { id: 'chatcmpl-BwireJ2', created: 1_750_000_000, model: 'gpt-4o-mini-2024-07-18' };
const FINGERPRINT = { service_tier: 'default', system_fingerprint: 'fp_54eb4bd693' };
const EVENT_STREAM = { 'content-type': 'text/event-stream; charset=utf-8' };
const NOT_FILTERED = {
  hate: { filtered: false, severity: 'safe' },
  self_harm: { filtered: false, severity: 'safe' },
  sexual: { filtered: false, severity: 'safe' },
  violence: { filtered: false, severity: 'safe' },
};

function finishOf({ calls = [] }: ModelAnswer): string {
  return calls.length > 0 ? 'tool_calls' : 'stop';
}

function openAiUsage({ promptTokens, completionTokens }: ModelAnswer): object {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

function toolCalls(calls: readonly ModelCall[]): object[] {
  return calls.map(({ id, name, input }) => ({
    id,
    type: 'function',
    function: { name, arguments: JSON.stringify(input) },
  }));
}

function openAiCompletion(answer: ModelAnswer): object {
  const { text = null, calls = [] } = answer;
  const message = {
    role: 'assistant',
    content: text,
    ...(calls.length > 0 && { tool_calls: toolCalls(calls) }),
    refusal: null,
    annotations: [],
  };
  return {
    ...ENVELOPE,
    object: 'chat.completion',
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishOf(answer) }],
    usage: openAiUsage(answer),
    ...FINGERPRINT,
  };
}

/** Deltas as OpenAI and Azure send them: a call's id and name first, then its arguments bit by bit. */
function openAiDeltas({ text, calls = [] }: ModelAnswer): object[] {
  const begun = { role: 'assistant', content: text === undefined ? null : '', refusal: null };
  return [
    begun,
    ...pieces(text ?? '').map((content) => ({ content })),
    ...calls.flatMap(({ id, name, input }, index) => [
      { tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] },
      ...pieces(JSON.stringify(input)).map((part) => ({ tool_calls: [{ index, function: { arguments: part } }] })),
    ]),
  ];
}

function openAiStream(answer: ModelAnswer): ScriptedAnswer {
  const chunk = (choices: object[], more: object): object => ({
    ...ENVELOPE,
    object: 'chat.completion.chunk',
    ...FINGERPRINT,
    choices,
    obfuscation: 'kQ3',
    ...more,
  });
  const choice = (delta: object, finishReason: string | null): object[] => [
    { index: 0, delta, logprobs: null, finish_reason: finishReason },
  ];
  return dataStream([
    ...openAiDeltas(answer).map((delta) => chunk(choice(delta, null), { usage: null })),
    chunk(choice({}, finishOf(answer)), { usage: null }),
    chunk([], { usage: openAiUsage(answer) }),
  ]);
}

function azureCompletion(answer: ModelAnswer): object {
  const { text = null, calls = [] } = answer;
  const message = {
    role: 'assistant',
    content: text,
    refusal: null,
    annotations: [],
    ...(calls.length > 0 && { tool_calls: toolCalls(calls) }),
  };
  return {
    ...ENVELOPE,
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message,
        logprobs: null,
        finish_reason: finishOf(answer),
        content_filter_results: text === null ? {} : NOT_FILTERED,
      },
    ],
    prompt_filter_results: [{ prompt_index: 0, content_filter_results: NOT_FILTERED }],
    usage: openAiUsage(answer),
    system_fingerprint: FINGERPRINT.system_fingerprint,
  };
}

function azureStream(answer: ModelAnswer): ScriptedAnswer {
  const chunk = (choices: object[], more: object): object => ({
    ...ENVELOPE,
    object: 'chat.completion.chunk',
    system_fingerprint: FINGERPRINT.system_fingerprint,
    choices,
    ...more,
  });
  const choice = (delta: object, finishReason: string | null): object[] => [
    { index: 0, delta, logprobs: null, finish_reason: finishReason, content_filter_results: {} },
  ];
  return dataStream([
    {
      choices: [],
      created: 0,
      id: '',
      model: '',
      object: '',
      prompt_filter_results: [{ prompt_index: 0, content_filter_results: NOT_FILTERED }],
    },
    ...openAiDeltas(answer).map((delta) => chunk(choice(delta, null), { usage: null })),
    chunk(choice({}, finishOf(answer)), { usage: null }),
    chunk([], { usage: openAiUsage(answer) }),
  ]);
}

const VLLM_ENVELOPE = { id: 'chatcmpl-6d1c', created: 1_750_000_000, model: 'Qwen/Qwen3-8B' };

function vllmUsage({ promptTokens, completionTokens }: ModelAnswer): object {
  return {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens: completionTokens,
    prompt_tokens_details: null,
  };
}

function vllmCompletion(answer: ModelAnswer): object {
  const { thinking = null, text = null, calls = [] } = answer;
  const message = {
    role: 'assistant',
    content: text,
    refusal: null,
    annotations: null,
    audio: null,
    function_call: null,
    tool_calls: toolCalls(calls),
    reasoning: thinking,
    reasoning_content: thinking,
  };
  return {
    ...VLLM_ENVELOPE,
    object: 'chat.completion',
    choices: [
      { index: 0, message, logprobs: null, finish_reason: finishOf(answer), stop_reason: null, token_ids: null },
    ],
    service_tier: null,
    system_fingerprint: null,
    usage: vllmUsage(answer),
    prompt_logprobs: null,
    prompt_token_ids: null,
    kv_transfer_params: null,
  };
}

/** Its parsers give a call's name together with the first of its arguments, and null or empty fields beside it. */
function vllmStream(answer: ModelAnswer): ScriptedAnswer {
  const { thinking, text, calls = [] } = answer;
  const chunk = (choices: object[], more: object = {}): object => ({
    ...VLLM_ENVELOPE,
    object: 'chat.completion.chunk',
    choices,
    ...more,
  });
  const choice = (delta: object, finishReason: string | null = null): object[] => [
    { index: 0, delta, logprobs: null, finish_reason: finishReason, token_ids: null },
  ];
  const callDeltas = calls.flatMap(({ id, name, input }, index) => {
    const [first, ...rest] = pieces(JSON.stringify(input));
    return [
      { tool_calls: [{ id, type: 'function', index, function: { name, arguments: first } }] },
      ...rest.map((part) => ({ tool_calls: [{ index, function: { arguments: part } }] })),
    ];
  });
  return dataStream([
    chunk(choice({ role: 'assistant', content: '' }), { prompt_token_ids: null }),
    ...pieces(thinking ?? '').map((part) => chunk(choice({ reasoning: part, reasoning_content: part }))),
    ...pieces(text ?? '').map((content) => chunk(choice({ content, reasoning_content: null }))),
    ...callDeltas.map((delta) => chunk(choice(delta))),
    chunk([{ index: 0, delta: { content: '' }, logprobs: null, finish_reason: finishOf(answer), stop_reason: null }]),
    chunk([], { usage: vllmUsage(answer) }),
  ]);
}

const MESSAGE = { id: 'msg_01WireAnswer', type: 'message', role: 'assistant', model: 'claude-sonnet-4-5-20250929' };

/** Of the prompt, five tokens come from the cache and three go into it. */
function anthropicUsage({ promptTokens }: ModelAnswer): Record<string, unknown> {
  return {
    input_tokens: promptTokens - 8,
    cache_creation_input_tokens: 3,
    cache_read_input_tokens: 5,
    cache_creation: { ephemeral_5m_input_tokens: 3, ephemeral_1h_input_tokens: 0 },
    service_tier: 'standard',
  };
}

function stopReasonOf({ calls = [] }: ModelAnswer): string {
  return calls.length > 0 ? 'tool_use' : 'end_turn';
}

function anthropicMessage(answer: ModelAnswer): object {
  const { thinking, text, calls = [] } = answer;
  return {
    ...MESSAGE,
    content: [
      ...(thinking === undefined ? [] : [{ type: 'thinking', thinking, signature: SIGNATURE }]),
      ...(text === undefined ? [] : [{ type: 'text', text }]),
      ...calls.map((call) => ({ type: 'tool_use', ...call })),
    ],
    stop_reason: stopReasonOf(answer),
    stop_sequence: null,
    usage: { ...anthropicUsage(answer), output_tokens: answer.completionTokens },
  };
}

function anthropicStream(answer: ModelAnswer): ScriptedAnswer {
  const { thinking, text, calls = [] } = answer;
  const blocks: { readonly start: object; readonly deltas: readonly object[] }[] = [];
  if (thinking !== undefined) {
    blocks.push({
      start: { type: 'thinking', thinking: '', signature: '' },
      deltas: [
        ...pieces(thinking).map((part) => ({ type: 'thinking_delta', thinking: part })),
        { type: 'signature_delta', signature: SIGNATURE },
      ],
    });
  }
  if (text !== undefined) {
    blocks.push({
      start: { type: 'text', text: '' },
      deltas: pieces(text).map((part) => ({ type: 'text_delta', text: part })),
    });
  }
  for (const { id, name, input } of calls) {
    blocks.push({
      start: { type: 'tool_use', id, name, input: {} },
      deltas: ['', ...pieces(JSON.stringify(input))].map((part) => ({ type: 'input_json_delta', partial_json: part })),
    });
  }
  const usage = anthropicUsage(answer);
  const message = { ...MESSAGE, content: [], stop_reason: null, stop_sequence: null };
  return namedStream([
    { type: 'message_start', message: { ...message, usage: { ...usage, output_tokens: 1 } } },
    ...blocks.flatMap(({ start, deltas }, index) => [
      { type: 'content_block_start', index, content_block: start },
      ...(index === 0 ? [{ type: 'ping' }] : []),
      ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
      { type: 'content_block_stop', index },
    ]),
    {
      type: 'message_delta',
      delta: { stop_reason: stopReasonOf(answer), stop_sequence: null },
      usage: { output_tokens: answer.completionTokens },
    },
    { type: 'message_stop' },
  ]);
}

/** Five characters at a time: nothing a client could read as a whole arrives as one. */
function pieces(text: string): string[] {
  return text.match(/.{1,5}/gsu) ?? [];
}

function dataStream(chunks: readonly object[]): ScriptedAnswer {
  return {
    headers: EVENT_STREAM,
    body: [...chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`), 'data: [DONE]\n\n'],
  };
}

function namedStream(events: readonly { readonly type: string; readonly [field: string]: unknown }[]): ScriptedAnswer {
  return {
    headers: EVENT_STREAM,
    body: events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`),
  };
}
