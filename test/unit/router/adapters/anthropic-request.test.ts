import type { ChatCompletionRequest, ChatContentPart, ChatMessage } from '../../../../src/domain/chat.js';
import { AegisError } from '../../../../src/domain/errors.js';
import type { Target } from '../../../../src/domain/target.js';
import { AnthropicAdapter } from '../../../../src/router/adapters/anthropic.adapter.js';
import { screened } from '../../../support/screened-requests.js';
import { targetOf } from '../../../support/targets.js';

const adapter = new AnthropicAdapter();
const PIXEL = 'iVBORw0KGgo=';

type Changes = Partial<Omit<Target, 'provider'>>;

function build(chat: Partial<ChatCompletionRequest>, target: Changes = {}): Record<string, unknown> {
  return JSON.parse(adapter.buildRequest(screened(chat), targetOf('anthropic', { target })).body.toString());
}

function refusal(chat: Partial<ChatCompletionRequest>, target: Changes = {}): AegisError {
  try {
    build(chat, target);
  } catch (thrown) {
    if (thrown instanceof AegisError) return thrown;
    throw thrown;
  }
  throw new Error('The request was not refused.');
}

const user = (content: string | ChatContentPart[]): ChatMessage => ({ role: 'user', content });
const text = (words: string): { type: string; text: string } => ({ type: 'text', text: words });
const nested = (depth: number, open: string, close: string): string => open.repeat(depth) + close.repeat(depth);
const tools = [{ type: 'function', function: { name: 'look_up', parameters: { type: 'object', properties: {} } } }];

describe('a request to Anthropic', () => {
  it('goes to the Messages API with the version and the credential', () => {
    const { url, headers } = adapter.buildRequest(screened({}), targetOf('anthropic'));
    expect(url).toBe('https://upstream.test/v1/messages');
    expect(headers).toMatchObject({ 'anthropic-version': '2023-06-01', 'x-api-key': 'a-credential' });
    expect(headers).not.toHaveProperty('authorization');
  });

  describe('messages', () => {
    it('take system and developer messages out of the conversation, in order', () => {
      const body = build({
        messages: [
          { role: 'system', content: 'One.' },
          user('Hi'),
          { role: 'developer', content: [{ type: 'text', text: 'Two.' }] },
        ],
      });
      expect(body.system).toEqual([text('One.'), text('Two.')]);
      expect(body.messages).toEqual([{ role: 'user', content: [text('Hi')] }]);
    });

    it('become one turn where one role speaks twice', () => {
      const body = build({
        messages: [
          user('a'),
          user('b'),
          { role: 'assistant', content: 'c' },
          { role: 'assistant', content: 'd' },
          user('e'),
        ],
      });
      expect(body.messages).toEqual([
        { role: 'user', content: [text('a'), text('b')] },
        { role: 'assistant', content: [text('c'), text('d')] },
        { role: 'user', content: [text('e')] },
      ]);
    });

    it('carry images by URL and by data', () => {
      const body = build({
        messages: [
          user([
            { type: 'text', text: 'See' },
            { type: 'image_url', image_url: { url: 'https://images.test/a.png', detail: 'high' } },
            { type: 'image_url', image_url: { url: `data:image/jpg;base64,${PIXEL}` } },
          ]),
        ],
      });
      expect(body.messages).toEqual([
        {
          role: 'user',
          content: [
            text('See'),
            { type: 'image', source: { type: 'url', url: 'https://images.test/a.png' } },
            { type: 'image', source: { type: 'base64', media_type: 'image/jpeg', data: PIXEL } },
          ],
        },
      ]);
    });

    it.each([
      ['DATA:IMAGE/PNG;BASE64,AAECAw==', 'AAECAw=='],
      ['data:image/png;charset=binary;name=a.png;base64,AAECAw==', 'AAECAw=='],
      ['data:image/png;base64,AAECAw', 'AAECAw=='],
      ['data:image/png;base64,AAEC\r\nAw==\n', 'AAECAw=='],
      ['data:image/png;base64,%2B%2f8%3D', '+/8='],
      ['data:image/png;base64,-_8', '+/8='],
    ])('carry images by data however it is written: %s', (url, data) => {
      const source = { type: 'base64', media_type: 'image/png', data };
      const image = user([{ type: 'image_url', image_url: { url } }]);
      expect(build({ messages: [image] }).messages).toEqual([{ role: 'user', content: [{ type: 'image', source }] }]);
    });

    it.each(['', 'A', 'AA=E', 'Ä===', '<svg/>'])('refuse data that is no base64: "%s"', (data) => {
      const image = user([{ type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } }]);
      expect(refusal({ messages: [image] })).toMatchObject({ param: 'messages[0].content[0].image_url.url' });
    });

    it('say who speaks, but for the assistant', () => {
      const body = build({
        messages: [
          { role: 'system', content: 'Hi', name: 'example_user' },
          { ...user('Hello'), name: 'Ann' },
          { ...user([{ type: 'image_url', image_url: { url: 'https://images.test/a.png' } }]), name: 'Bo' },
          { ...user(' '), name: 'Silent' },
          { role: 'assistant', content: 'Yes', name: 'helper' },
          { ...user('Bye'), name: '' },
        ],
      });
      expect(body.system).toEqual([text('example_user:'), text('Hi')]);
      expect(body.messages).toEqual([
        {
          role: 'user',
          content: [
            text('Ann:'),
            text('Hello'),
            text('Bo:'),
            { type: 'image', source: { type: 'url', url: 'https://images.test/a.png' } },
          ],
        },
        { role: 'assistant', content: [text('Yes')] },
        { role: 'user', content: [text('Bye')] },
      ]);
    });

    it('carry documents by data', () => {
      const body = build({
        messages: [
          user([
            { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERg==' } },
            { type: 'file', file: { file_data: 'data:text/plain;charset=utf-8;base64,SMOkbGxv' } },
          ]),
        ],
      });
      expect(body.messages).toMatchObject([
        {
          content: [
            {
              type: 'document',
              source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERg==' },
              title: 'a.pdf',
            },
            { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'Hällo' } },
          ],
        },
      ]);
    });

    it('say tool results in one turn of the user, before what the user says', () => {
      const call = (id: string, args: string): object => ({
        id,
        type: 'function',
        function: { name: 'look_up', arguments: args },
      });
      const body = build({
        tools,
        messages: [
          user('Where?'),
          {
            role: 'assistant',
            content: null,
            tool_calls: [call('call_1', '{"city":"Bern"}'), call('call_2', '')],
          } as ChatMessage,
          { role: 'tool', tool_call_id: 'call_1', content: 'Here' },
          { role: 'tool', tool_call_id: 'call_2', content: [{ type: 'text', text: 'There' }] },
          user('Well?'),
        ],
      });
      expect(body.messages).toEqual([
        { role: 'user', content: [text('Where?')] },
        {
          role: 'assistant',
          content: [
            { type: 'tool_use', id: 'call_1', name: 'look_up', input: { city: 'Bern' } },
            { type: 'tool_use', id: 'call_2', name: 'look_up', input: {} },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'call_1', content: 'Here' },
            { type: 'tool_result', tool_use_id: 'call_2', content: [text('There')] },
            text('Well?'),
          ],
        },
      ]);
    });

    it('may hold an answer of the gateway as it was given', () => {
      const echoed = {
        role: 'assistant',
        content: 'Yes',
        refusal: null,
        reasoning_content: 'Hm.',
        reasoning_details: [{ type: 'reasoning.text', text: 'Hm.' }],
        annotations: [],
        parsed: { a: 1 },
        audio: null,
        function_call: null,
      } as ChatMessage;
      expect(build({ messages: [user('a'), echoed, user('b')] }).messages).toMatchObject([
        { role: 'user' },
        { role: 'assistant', content: [text('Yes')] },
        { role: 'user' },
      ]);
    });

    it('leave out what Anthropic refuses: empty texts, and blanks at the end of a turn to continue', () => {
      const body = build({
        messages: [user([text(''), text('a')]), { role: 'assistant', content: 'Once upon a time \n' }],
      });
      expect(body.messages).toEqual([
        { role: 'user', content: [text('a')] },
        { role: 'assistant', content: [text('Once upon a time')] },
      ]);
    });

    it("keep Anthropic's marks for prompt caching", () => {
      const cache_control = { type: 'ephemeral' };
      const body = build({
        messages: [user([{ type: 'text', text: 'Long', cache_control }])],
        tools: [{ ...tools[0], type: 'function', cache_control }],
      });
      expect(body.messages).toEqual([{ role: 'user', content: [{ ...text('Long'), cache_control }] }]);
      expect(body.tools).toMatchObject([{ name: 'look_up', cache_control }]);
    });

    it.each<[string, ChatMessage[]]>([
      ['instructions alone', [{ role: 'system', content: 'Only me' }]],
      ['a user who says nothing', [{ role: 'system', content: 'Only me' }, user('')]],
    ])('begin with the user where there are %s', (_name, messages) => {
      expect(build({ messages })).toMatchObject({
        system: [text('Only me')],
        messages: [{ role: 'user', content: [text('(The assistant speaks first.)')] }],
      });
    });

    it.each([
      ['{"city":"Ber', { INVALID_JSON: '{"city":"Ber' }],
      ['[1]', { INVALID_JSON: '[1]' }],
      ['1e400', { INVALID_JSON: '1e400' }],
      ['null', {}],
      [' ', {}],
    ])('show a call with the arguments %s as it was, so that the model can correct itself', (text, input) => {
      const call = { id: 'a', type: 'function', function: { name: 'look_up', arguments: text } };
      const broken: ChatMessage[] = [
        { role: 'assistant', tool_calls: [call] },
        { role: 'tool', tool_call_id: 'a', content: 'The arguments are no JSON.' },
      ];
      expect(build({ messages: [user('x'), ...broken], tools }).messages).toMatchObject([
        { role: 'user' },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'look_up', input }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a' }] },
      ]);
    });

    it.each([
      [
        'an image that is neither a URL nor data',
        user([{ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }]),
        'messages[0].content[0].image_url.url',
      ],
      [
        'a file that is no document',
        user([{ type: 'file', file: { file_data: 'data:audio/wav;base64,AA==' } }]),
        'messages[0].content[0].file.file_data',
      ],
      [
        'arguments that nest deeper than a request may',
        {
          role: 'assistant',
          tool_calls: [
            { id: 'a', type: 'function', function: { name: 'b', arguments: `{"a":${nested(20_000, '[', ']')}}` } },
          ],
        } as ChatMessage,
        'messages[0].tool_calls[0].function.arguments',
      ],
    ])('are refused where they hold %s', (_name, message, param) => {
      expect(refusal({ messages: [message, user('x')] })).toMatchObject({ code: 'invalid_request', param });
    });
  });

  it.each(['system', 'user', 'assistant'] as const)(
    'takes as many parts as a body can hold, said by the %s',
    (role) => {
      const parts = Array.from({ length: 200_000 }, () => text('a'));
      const body = build({ messages: [user('x'), { role, content: 'b' }, { role, content: parts }, user('x')] });
      expect(JSON.stringify(body).match(/"text":"a"/g)).toHaveLength(parts.length);
    },
  );

  describe('the length of an answer', () => {
    it.each([
      ['is what the client asks for', { max_completion_tokens: 100 }, {}, 100],
      ['may be given by its older name', { max_tokens: 200 }, {}, 200],
      ['is 4096 where nobody says', {}, {}, 4096],
      ['is what the target allows where the client does not say', {}, { maxOutputTokens: 8000 }, 8000],
      ['is never more than the target allows', { max_tokens: 9000 }, { maxOutputTokens: 8000 }, 8000],
    ])('%s', (_name, chat, target, expected) => {
      expect(build(chat, target).max_tokens).toBe(expected);
    });
  });

  it('samples and stops as the client says', () => {
    const body = build({ temperature: 0.3, top_p: 0.9, top_k: 5, stop: 'END', user: 'u-1', stream: true });
    expect(body).toMatchObject({
      temperature: 0.3,
      top_p: 0.9,
      top_k: 5,
      stop_sequences: ['END'],
      metadata: { user_id: 'u-1' },
      stream: true,
    });
    expect(build({ stop: ['a', 'b'] }).stop_sequences).toEqual(['a', 'b']);
    expect(build({ stop: null, temperature: null })).not.toHaveProperty('stop_sequences');
  });

  describe('tools', () => {
    it('keep name, description, schema and strictness', () => {
      const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
      const body = build({
        tools: [
          { type: 'function', function: { name: 'look_up', description: 'Looks', parameters, strict: true } },
          { type: 'function', function: { name: 'now' } },
        ],
      });
      expect(body.tools).toEqual([
        {
          name: 'look_up',
          description: 'Looks',
          input_schema: { ...parameters, additionalProperties: false },
          strict: true,
        },
        { name: 'now', input_schema: { type: 'object', properties: {} } },
      ]);
    });

    it.each([
      ['auto', undefined, { type: 'auto' }],
      ['none', undefined, { type: 'none' }],
      ['required', undefined, { type: 'any' }],
      [{ type: 'function', function: { name: 'look_up' } }, undefined, { type: 'tool', name: 'look_up' }],
      [undefined, undefined, undefined],
      [undefined, false, { type: 'auto', disable_parallel_tool_use: true }],
      ['required', false, { type: 'any', disable_parallel_tool_use: true }],
      ['none', false, { type: 'none' }],
      ['auto', true, { type: 'auto' }],
    ])('are chosen by %j, one at a time by %j', (tool_choice, parallel_tool_calls, expected) => {
      const chat = {
        tools,
        ...(tool_choice !== undefined && { tool_choice }),
        ...(parallel_tool_calls !== undefined && { parallel_tool_calls }),
      };
      expect(build(chat).tool_choice).toEqual(expected);
    });

    it('that are not there are not chosen', () => {
      expect(build({ tool_choice: 'auto', parallel_tool_calls: false })).not.toHaveProperty('tool_choice');
    });
  });

  it.each([Number.POSITIVE_INFINITY, 0.5, '5'])('refuses a top_k of %p, which Anthropic has no word for', (top_k) => {
    expect(refusal({ top_k })).toMatchObject({ code: 'invalid_request', status: 400, param: 'top_k' });
  });

  it('refuses everything it cannot express, all of it in one message', () => {
    const error = refusal({
      messages: [{ ...user([{ type: 'input_audio', input_audio: {} }]), made_up: 1 }],
      n: 2,
      logprobs: true,
      frequency_penalty: 0.5,
      seed: 7,
      temperature: 1.5,
      logit_bias: { 5: 1 },
      functions: [],
      prediction: {},
      web_search_options: {},
      made_up: 1,
      tools: [{ type: 'custom', custom: {} }],
      stream_options: { include_usage: true, continuous_usage_stats: true },
    });
    expect(error).toMatchObject({ code: 'unsupported_parameter', status: 400, param: 'n' });
    for (const field of [
      'n',
      'logprobs',
      'frequency_penalty',
      'seed',
      'temperature',
      'logit_bias',
      'functions',
      'prediction',
      'web_search_options',
      'made_up',
      'messages[0].made_up',
      'messages[0].content[0]',
      'tools[0].type',
      'stream_options.continuous_usage_stats',
    ]) {
      expect(error.message).toContain(`'${field}'`);
    }
  });

  it('leaves out hints, and fields that ask for nothing', () => {
    const plain = build({});
    const hinted = build({
      metadata: { a: 'b' },
      store: true,
      service_tier: 'flex',
      prompt_cache_key: 'k',
      prompt_cache_retention: '24h',
      verbosity: 'medium',
      n: 1,
      logprobs: false,
      top_logprobs: 0,
      frequency_penalty: 0,
      presence_penalty: 0,
      logit_bias: {},
      modalities: ['text'],
      seed: null,
      stream_options: null,
    });
    expect(hinted).toEqual(plain);
  });
});
