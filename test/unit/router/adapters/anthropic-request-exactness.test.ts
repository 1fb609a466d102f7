import type { ChatCompletionRequest, ChatMessage } from '../../../../src/domain/chat.js';
import { scanJson } from '../../../../src/domain/json-scan.js';
import { RequestBody } from '../../../../src/domain/request-body.js';
import { AnthropicAdapter } from '../../../../src/router/adapters/anthropic.adapter.js';
import { targetOf } from '../../../support/targets.js';

const BIG = '9007199254740993123';

/** The body sent for a request whose members are these JSON texts. */
function sent(members: Record<string, string>, model = 'claude-sonnet-4-5'): string {
  const all = { model: '"m"', messages: '[{"role":"user","content":"a"}]', ...members };
  const text = `{${Object.entries(all)
    .map(([key, value]) => `"${key}":${value}`)
    .join(',')}}`;
  const bytes = Buffer.from(text);
  const chat = JSON.parse(text) as ChatCompletionRequest;
  const body = new RequestBody(bytes, scanJson(bytes, 64).members);
  const request = { chat, body, findings: [], level: 'PUBLIC' as const };
  return new AnthropicAdapter().buildRequest(request, targetOf('anthropic', { target: { model } })).body.toString();
}

describe('a number beyond what a double holds reaches Anthropic digit by digit', () => {
  it('in the arguments of a tool call', () => {
    const messages: ChatMessage[] = [
      { role: 'user', content: 'a' },
      {
        role: 'assistant',
        tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: `{"id": ${BIG}, "x":[1e400]}` } }],
      },
      { role: 'tool', tool_call_id: 'c', content: 'b' },
    ];
    expect(sent({ messages: JSON.stringify(messages) })).toContain(`"input":{"id":${BIG},"x":[1e400]}`);
  });

  it('in the schema of a tool', () => {
    const parameters = `{"type":"object","properties":{"id":{"enum":[${BIG}]}}}`;
    const body = sent({ tools: `[{"type":"function","function":{"name":"f","parameters":${parameters}}}]` });
    expect(body).toContain(`"enum":[${BIG}]`);
  });

  it('in the schema of an answer, also where it becomes words', () => {
    const schema = `{"type":"object","properties":{"id":{"type":"integer","maximum":${BIG},"default":${BIG}}}}`;
    const body = sent({ response_format: `{"type":"json_schema","json_schema":{"name":"x","schema":${schema}}}` });
    expect(body).toContain(`"default":${BIG}`);
    expect(body).toContain(`"description":"Must be: at most ${BIG}."`);
  });
});

it('a key that an object has of its own stays a key', () => {
  const parameters = '{"type":"object","properties":{"__proto__":{"type":"string"}},"additionalProperties":false}';
  const tools = `[{"type":"function","function":{"name":"f","strict":true,"parameters":${parameters}}}]`;
  expect(sent({ tools })).toContain('"properties":{"__proto__":{"type":"string"}}');
});
