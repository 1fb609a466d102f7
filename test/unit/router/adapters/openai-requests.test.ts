import type { ChatCompletionRequest, ChatMessage } from '../../../../src/domain/chat.js';
import { scanJson } from '../../../../src/domain/json-scan.js';
import { RequestBody } from '../../../../src/domain/request-body.js';
import type { ScreenedRequest } from '../../../../src/domain/screened-request.js';
import { AzureOpenAiAdapter } from '../../../../src/router/adapters/azure-openai.adapter.js';
import { OpenAiAdapter } from '../../../../src/router/adapters/openai.adapter.js';
import { OpenAiCompatibleAdapter } from '../../../../src/router/adapters/openai-compatible.adapter.js';
import type { OpenAiFormatAdapter } from '../../../../src/router/adapters/openai-format.adapter.js';
import { VllmAdapter } from '../../../../src/router/adapters/vllm.adapter.js';
import { targetOf } from '../../../support/targets.js';

const OFFICIAL = [new OpenAiAdapter(), new AzureOpenAiAdapter()].map((adapter) => [adapter.type, adapter] as const);
const OTHERS = [new VllmAdapter(), new OpenAiCompatibleAdapter()].map((adapter) => [adapter.type, adapter] as const);

/** A request as its bytes came over the wire. */
function sent(text: string): ScreenedRequest {
  const bytes = Buffer.from(text);
  const chat = JSON.parse(text) as ChatCompletionRequest;
  return { chat, body: new RequestBody(bytes, scanJson(bytes, 64).members), findings: [], level: 'PUBLIC' };
}

function built(adapter: OpenAiFormatAdapter, text: string): string {
  return adapter.buildRequest(sent(text), targetOf(adapter.type)).body.toString();
}

const ANSWERED =
  '{"model": "m", "messages": [{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_content":"Hm.",' +
  '"thinking_blocks":[{"type":"thinking","thinking":"Hm.","signature":"c2ln"}],"seen":12345678901234567890}]}';

describe('an answer of Anthropic that is sent on to a provider of the OpenAI format', () => {
  it.each(OFFICIAL)('loses what only AEGIS and others say: %s', (_type, adapter) => {
    const body = built(adapter, ANSWERED);
    expect((JSON.parse(body) as { messages: ChatMessage[] }).messages[1]).toEqual({
      role: 'assistant',
      content: 'b',
      seen: expect.any(Number),
    });
    expect(body).toContain('"seen":12345678901234567890');
  });

  it.each(OTHERS)('keeps its reasoning for servers that read it: %s', (_type, adapter) => {
    const body = built(adapter, ANSWERED);
    expect(body).toContain('"reasoning_content":"Hm."');
    expect(body).not.toContain('thinking_blocks');
    expect(body).toContain('"seen":12345678901234567890');
  });
});

it.each([...OFFICIAL, ...OTHERS])(
  'leaves the bytes of messages alone where nothing is to be taken out: %s',
  (_type, adapter) => {
    const messages =
      '[ {"role":"user","content":"\\u0041 says \\"thinking_blocks\\"", "id": 1.0} , {"role":"user","name":"reasoning_content"}]';
    expect(built(adapter, `{"model":"m","messages":${messages}}`)).toContain(messages);
  },
);
