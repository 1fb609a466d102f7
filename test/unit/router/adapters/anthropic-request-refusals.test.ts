import type { ChatCompletionRequest, ChatMessage } from '../../../../src/domain/chat.js';
import { AegisError } from '../../../../src/domain/errors.js';
import { AnthropicAdapter } from '../../../../src/router/adapters/anthropic.adapter.js';
import { screened } from '../../../support/screened-requests.js';
import { targetOf } from '../../../support/targets.js';

const adapter = new AnthropicAdapter();
const BUDGET = 'claude-sonnet-4-5';
const NEWEST = 'claude-opus-5-5';

type Chat = Partial<ChatCompletionRequest>;

function refusal(chat: Chat, model: string): AegisError {
  try {
    adapter.buildRequest(screened(chat), targetOf('anthropic', { target: { model } }));
  } catch (thrown) {
    if (thrown instanceof AegisError) return thrown;
    throw thrown;
  }
  throw new Error('The request was not refused.');
}

const user: ChatMessage = { role: 'user', content: 'Hi' };
const call = (id: string): object => ({ id, type: 'function', function: { name: 'look_up', arguments: '{}' } });
const calling = (...ids: string[]): ChatMessage => ({ role: 'assistant', tool_calls: ids.map(call) }) as ChatMessage;
const result = (id: string): ChatMessage => ({ role: 'tool', tool_call_id: id, content: 'x' });
const tool = (fields: object): Chat =>
  ({ tools: [{ type: 'function', function: { name: 'look_up', ...fields } }] }) as Chat;
const schema = (root: object): Chat =>
  ({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: root } } }) as Chat;

describe('a request to Anthropic is refused with the place that is wrong', () => {
  it.each<[string, string, Chat, string, string]>([
    [
      'a call without a result',
      BUDGET,
      { messages: [user, calling('a', 'b'), result('a')] },
      'invalid_request',
      'messages[1].tool_calls[1]',
    ],
    [
      'a result without a call',
      BUDGET,
      { messages: [user, calling('a'), result('a'), result('b')] },
      'invalid_request',
      'messages[3].tool_call_id',
    ],
    [
      'a second result of one call',
      BUDGET,
      { messages: [user, calling('a'), result('a'), result('a')] },
      'invalid_request',
      'messages[3].tool_call_id',
    ],
    [
      'two calls of one id',
      BUDGET,
      { messages: [user, calling('a', 'a'), result('a')] },
      'invalid_request',
      'messages[1].tool_calls[1].id',
    ],
    [
      'thinking without a signature',
      BUDGET,
      {
        messages: [
          user,
          { role: 'assistant', content: 'b', thinking_blocks: [{ type: 'thinking', thinking: 'x' }] },
          user,
        ],
      },
      'invalid_request',
      'messages[1].thinking_blocks[0]',
    ],
    [
      'thinking that is no list',
      BUDGET,
      { messages: [user, { role: 'assistant', content: 'b', thinking_blocks: 'x' }, user] },
      'invalid_request',
      'messages[1].thinking_blocks',
    ],
    [
      'an image of a kind it does not know',
      BUDGET,
      {
        messages: [
          { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/svg+xml;base64,AA==' } }] },
        ],
      },
      'invalid_request',
      'messages[0].content[0].image_url.url',
    ],
    ['a stop of blanks', BUDGET, { stop: ['END', '\n'] }, 'invalid_request', 'stop'],
    ['temperature beside top_p', BUDGET, { temperature: 0.5, top_p: 0.5 }, 'invalid_request', 'top_p'],
    ['top_k while thinking', BUDGET, { top_k: 5, reasoning_effort: 'low' }, 'invalid_request', 'top_k'],
    ['a temperature of its own', NEWEST, { temperature: 0.5 }, 'unsupported_parameter', 'temperature'],
    ['a forced tool', NEWEST, { ...tool({}), tool_choice: 'required' }, 'unsupported_parameter', 'tool_choice'],
    [
      'an answer to be continued',
      NEWEST,
      { messages: [user, { role: 'assistant', content: 'So' }] },
      'invalid_request',
      'messages',
    ],
    ['that it shall not think', NEWEST, { reasoning_effort: 'none' }, 'invalid_request', 'reasoning_effort'],
    [
      'that it shall think',
      'claude-3-5-haiku-latest',
      { reasoning_effort: 'low' },
      'unsupported_parameter',
      'reasoning_effort',
    ],
    ['a choice of no tools', BUDGET, { tool_choice: 'required' }, 'invalid_request', 'tool_choice'],
    [
      'a choice of a tool that is not there',
      BUDGET,
      { ...tool({}), tool_choice: { type: 'function', function: { name: 'b' } } },
      'invalid_request',
      'tool_choice',
    ],
    ['a tool without a plain name', BUDGET, tool({ name: 'look up' }), 'invalid_request', 'tools[0].function.name'],
    ["AEGIS's own tool", BUDGET, tool({ name: 'aegis_json_answer' }), 'invalid_request', 'tools[0].function.name'],
    [
      'a tool that takes no object',
      BUDGET,
      tool({ parameters: { type: 'array' } }),
      'invalid_request',
      'tools[0].function.parameters.type',
    ],
    [
      'a tool that takes one of several',
      BUDGET,
      tool({ parameters: { anyOf: [] } }),
      'unsupported_parameter',
      'tools[0].function.parameters.anyOf',
    ],
    [
      'a property with blanks',
      BUDGET,
      tool({ parameters: { type: 'object', properties: { 'a b': {} } } }),
      'unsupported_parameter',
      'tools[0].function.parameters.properties.a b',
    ],
    [
      'an answer that is no object',
      BUDGET,
      schema({ type: 'array' }),
      'invalid_request',
      'response_format.json_schema.schema.type',
    ],
    [
      'an answer in a grammar of its own',
      BUDGET,
      { response_format: { type: 'grammar' } },
      'unsupported_parameter',
      'response_format.type',
    ],
    [
      'five cache marks',
      BUDGET,
      {
        cache_control: { type: 'ephemeral' },
        messages: Array.from({ length: 4 }, () => ({ ...user, cache_control: { type: 'ephemeral' } })),
      },
      'invalid_request',
      'cache_control',
    ],
    [
      'a mark it does not know',
      BUDGET,
      { messages: [{ ...user, cache_control: { type: 'forever' } }] },
      'invalid_request',
      'messages[0].cache_control',
    ],
    ['another length of words', BUDGET, { verbosity: 'high' }, 'unsupported_parameter', 'verbosity'],
  ])('%s, on %s', (_name, model, chat, code, param) => {
    const error = refusal(chat, model);
    expect(error).toMatchObject({ code, status: 400, param });
    expect(error.message).toContain(`'${param}'`);
  });

  it('in a message of readable length, however much is wrong', () => {
    const messages = Array.from({ length: 4000 }, () => result('a'));
    expect(refusal({ messages }, BUDGET).message.length).toBeLessThan(4000);
  });
});

it('numbers calls anew in a time that grows with their count alone', () => {
  const messages = [user];
  for (let turn = 0; turn < 2000; turn++) messages.push(calling('a', 'b', 'c'), result('a'), result('b'), result('c'));
  const { body } = adapter.buildRequest(screened({ messages }), targetOf('anthropic', { target: { model: BUDGET } }));
  expect(new Set(body.toString().match(/"id":"a[^"]*"/g)).size).toBe(2000);
});
