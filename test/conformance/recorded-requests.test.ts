import type { ChatCompletionRequest } from '../../src/domain/chat.js';
import { scanJson } from '../../src/domain/json-scan.js';
import type { ProviderAdapter } from '../../src/domain/provider-adapter.js';
import { RequestBody } from '../../src/domain/request-body.js';
import type { ScreenedRequest } from '../../src/domain/screened-request.js';
import { AzureOpenAiAdapter } from '../../src/router/adapters/azure-openai.adapter.js';
import { OpenAiAdapter } from '../../src/router/adapters/openai.adapter.js';
import { OpenAiCompatibleAdapter } from '../../src/router/adapters/openai-compatible.adapter.js';
import { VllmAdapter } from '../../src/router/adapters/vllm.adapter.js';
import { findShared, loadRecordings, type Recording } from '../support/recordings.js';
import { targetOf } from '../support/targets.js';

const folder = findShared('recordings');

function adapterOf({ provider }: Recording): ProviderAdapter {
  if (provider === 'openai') return new OpenAiAdapter();
  if (provider === 'azure') return new AzureOpenAiAdapter();
  return provider === 'vllm' ? new VllmAdapter() : new OpenAiCompatibleAdapter();
}

/** The request as it was recorded, where it is one: some clients were recorded without, or with something else. */
function findRequest({ request }: Recording): { readonly bytes: Buffer; readonly chat: ChatCompletionRequest } | null {
  const bytes = Buffer.from(request?.body_text ?? '');
  try {
    const chat = JSON.parse(bytes.toString('utf8')) as ChatCompletionRequest;
    return Array.isArray(chat.messages) ? { bytes, chat } : null;
  } catch {
    return null;
  }
}

(folder ? describe : describe.skip)('what real clients sent', () => {
  const recordings = folder ? loadRecordings(folder, ['chat.completions']).map(({ recording }) => recording) : [];

  it('has recordings to read', () => {
    expect(recordings.length).toBeGreaterThan(0);
  });

  for (const recording of recordings) {
    const request = findRequest(recording);
    if (!request) continue;
    it(`goes on with only the model and the usage count changed: ${recording.id}`, () => {
      const { bytes, chat } = request;
      const screened: ScreenedRequest = {
        chat,
        body: new RequestBody(bytes, scanJson(bytes, 64).members),
        findings: [],
        level: 'PUBLIC',
      };
      const adapter = adapterOf(recording);
      const sent = JSON.parse(adapter.buildRequest(screened, targetOf(adapter.type)).body.toString());
      const streamOptions = chat.stream ? { stream_options: { ...chat.stream_options, include_usage: true } } : {};
      expect(sent).toEqual({ ...chat, ...streamOptions, model: 'upstream-model' });
    });
  }
});
