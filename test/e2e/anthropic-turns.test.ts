import { createHash } from 'node:crypto';
import type OpenAI from 'openai';
import { JSON_ANSWER_TOOL } from '../../src/router/adapters/anthropic-own-words.js';
import {
  type AnthropicEvent,
  block,
  delta,
  ending,
  eventBytes,
  messageStart,
  stop,
} from '../support/anthropic-events.js';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import { ScriptableUpstream } from '../support/scriptable-upstream.js';

const question = { role: 'user', content: 'Does it rain?' } as const;
const tools: OpenAI.ChatCompletionTool[] = [
  { type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } },
];
/** As long and as random as a real one; nothing in it may look like a secret to the filter. */
const signature = Array.from({ length: 12 }, (_, at) => createHash('sha512').update(`${at}`).digest('base64')).join('');
const thinking = [
  block(0, { type: 'thinking', thinking: '', signature: '' }),
  delta(0, { type: 'thinking_delta', thinking: 'I must look.' }),
  delta(0, { type: 'signature_delta', signature }),
  stop(0),
];

/** What an application that speaks only OpenAI's format can do with a model of Anthropic's. */
describe('the openai SDK and a model of Anthropic’s', () => {
  let upstream: ScriptableUpstream;
  let gateway: TestGateway;
  let openai: OpenAI;

  beforeAll(async () => {
    upstream = await ScriptableUpstream.start();
    gateway = await startTestGateway({
      providers: { anthropic: { type: 'anthropic', base_url: `${upstream.url}/v1`, api_key: 'upstream-credential' } },
      models: {
        claude: {
          primary: { provider: 'anthropic', model: 'claude-sonnet-4-5', classification_ceiling: 'RESTRICTED' },
        },
      },
      freeModels: ['anthropic/claude-sonnet-4-5'],
    });
    openai = gateway.openai();
  });
  afterAll(async () => {
    await gateway.close();
    await upstream.close();
  });
  beforeEach(() => upstream.forget());

  const answer = (...events: readonly AnthropicEvent[]): void => {
    upstream.script({
      headers: { 'content-type': 'text/event-stream' },
      body: eventBytes([messageStart(), ...events]),
    });
  };

  it('a streamed message, sent back as it is with the tool’s result, carries the signed thinking', async () => {
    answer(
      ...thinking,
      block(1, { type: 'tool_use', id: 'toolu_1', name: 'look', input: {} }),
      stop(1),
      ...ending('tool_use'),
    );
    const request = { model: 'claude', tools, reasoning_effort: 'low', max_completion_tokens: 8_000 } as const;
    const first = await openai.chat.completions.stream({ ...request, messages: [question] }).finalChatCompletion();
    const [message] = first.choices.map((choice) => choice.message);
    if (!message) throw new Error('no message came');

    answer(block(0, { type: 'text', text: 'It does.' }), stop(0), ...ending());
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      question,
      message,
      { role: 'tool', tool_call_id: 'toolu_1', content: 'rain' },
    ];
    const second = await openai.chat.completions.stream({ ...request, messages }).finalChatCompletion();

    expect(second.choices[0]?.message.content).toBe('It does.');
    expect((await upstream.request(1)).json()).toMatchObject({
      messages: [
        { role: 'user' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'I must look.', signature },
            { type: 'tool_use', id: 'toolu_1', name: 'look', input: {} },
          ],
        },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1' }] },
      ],
    });
  });

  it('a streamed answer in JSON is JSON, even where the model talks first', async () => {
    answer(
      ...thinking,
      block(1, { type: 'text', text: '' }),
      delta(1, { type: 'text_delta', text: 'Here it is:' }),
      stop(1),
      block(2, { type: 'tool_use', id: 'toolu_1', name: JSON_ANSWER_TOOL, input: {} }),
      delta(2, { type: 'input_json_delta', partial_json: '{"rain":' }),
      delta(2, { type: 'input_json_delta', partial_json: 'true}' }),
      stop(2),
      ...ending('tool_use'),
    );
    const completion = await openai.chat.completions
      .stream({ model: 'claude', messages: [question], response_format: { type: 'json_object' } })
      .finalChatCompletion();
    expect(completion.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: '{"rain":true}' } });
    expect(completion.choices[0]?.message.tool_calls).toBeUndefined();
  });
});
