import { CONTEXT } from '../../../support/streamed-answers.js';
import { adapter, HEAD, parse } from './openai-wire.js';

describe("an answer in OpenAI's format", () => {
  it('gets what its server left out', () => {
    const completion = parse({ choices: [{ message: { content: 'Hi' } }] });
    expect(completion).toEqual({
      id: 'chatcmpl-req-1',
      object: 'chat.completion',
      created: CONTEXT.createdSeconds,
      model: 'aegis-test',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hi', refusal: null },
          finish_reason: 'stop',
          logprobs: null,
        },
      ],
    });
  });

  it('keeps what only its server knows', () => {
    const completion = parse({
      ...HEAD,
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: '' },
          finish_reason: 'stop',
          content_filter_results: { hate: {} },
        },
      ],
      prompt_filter_results: [{ prompt_index: 0 }],
    });
    expect(completion.prompt_filter_results).toEqual([{ prompt_index: 0 }]);
    expect(completion.choices[0]?.content_filter_results).toEqual({ hate: {} });
  });

  it('of vLLM loses its nulls and tells its reasoning by the usual name', () => {
    const completion = parse({
      ...HEAD,
      service_tier: 'on_demand',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'Hi',
            reasoning: 'Hm',
            tool_calls: [],
            function_call: null,
            annotations: null,
          },
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, prompt_tokens_details: null },
    });
    expect(completion.choices[0]?.message).toEqual({
      role: 'assistant',
      content: 'Hi',
      refusal: null,
      reasoning_content: 'Hm',
    });
    expect(completion.usage).toEqual({ prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 });
  });

  it('gets ids and texts for tool calls that lack them', () => {
    const tool_calls = [
      { function: { name: 'a', arguments: { x: 1 } } },
      { id: '', function: { name: 'b', arguments: '' } },
    ];
    const completion = parse({ choices: [{ message: { tool_calls }, finish_reason: '' }] });
    expect(completion.choices[0]?.finish_reason).toBe('tool_calls');
    expect(completion.choices[0]?.message.tool_calls).toEqual([
      { id: 'call_req-1_0_0', type: 'function', function: { name: 'a', arguments: '{"x":1}' } },
      { id: 'call_req-1_0_1', type: 'function', function: { name: 'b', arguments: '{}' } },
    ]);
  });

  it('may give its content in parts', () => {
    const content = [
      { type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] },
      { type: 'text', text: 'Hi' },
    ];
    expect(parse({ choices: [{ message: { content } }] }).choices[0]?.message).toMatchObject({
      content: 'Hi',
      reasoning_content: 'Hm',
    });
  });

  it.each([
    ['max_tokens', 'length'],
    ['model_length', 'length'],
    ['eos', 'stop'],
    ['STOP', 'stop'],
    ['tool_use', 'tool_calls'],
    ['constructor', 'stop'],
  ])('that finishes with %s finishes with %s', (theirs, ours) => {
    expect(parse({ choices: [{ message: {}, finish_reason: theirs }] }).choices[0]?.finish_reason).toBe(ours);
  });

  it('counts no more cached tokens than there were, and reasoning within the completion', () => {
    const usage = (fields: object): unknown =>
      adapter.parseCompletion(Buffer.from(JSON.stringify({ choices: [{ message: {} }], usage: fields })), CONTEXT)
        .usage;
    expect(
      usage({ prompt_tokens: 5, completion_tokens: 1, total_tokens: 6, prompt_tokens_details: { cached_tokens: 9 } }),
    ).toMatchObject({ promptTokens: 5, cachedPromptTokens: 5 });
    // xAI counts reasoning beside the completion.
    expect(
      usage({
        prompt_tokens: 5,
        completion_tokens: 1,
        total_tokens: 16,
        completion_tokens_details: { reasoning_tokens: 10 },
      }),
    ).toMatchObject({ completionTokens: 11, totalTokens: 16, reasoningTokens: 10 });
    // DeepSeek's name for cached tokens.
    expect(usage({ prompt_tokens: 5, completion_tokens: 1, prompt_cache_hit_tokens: 4 })).toMatchObject({
      cachedPromptTokens: 4,
      totalTokens: 6,
    });
  });

  it.each([1_000_000_001, 4.7e15, 1e20, 1e308])(
    'knows no usage of a provider that counts %d tokens: no answer has as many',
    (count) => {
      for (const field of ['prompt_tokens', 'completion_tokens', 'total_tokens']) {
        const usage = { prompt_tokens: 5, completion_tokens: 1, total_tokens: 6, [field]: count };
        const answer = Buffer.from(JSON.stringify({ choices: [{ message: {} }], usage }));
        const parsed = adapter.parseCompletion(answer, CONTEXT);
        expect({ usage: parsed.usage, told: parsed.completion.usage }).toEqual({ usage: null, told: undefined });
      }
    },
  );
});
