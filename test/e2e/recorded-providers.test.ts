import { APIError } from 'openai';
import type { ChatCompletion } from 'openai/resources/chat/completions';
import { request } from 'undici';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import { loadOpenAiSchema } from '../support/openai-schema.js';
import { findShared, loadRecordings, type RecordedCase } from '../support/recordings.js';
import { ScriptableUpstream } from '../support/scriptable-upstream.js';

const recordings = findShared('recordings');
const schema = loadOpenAiSchema();

/** Which of our providers speaks the API a recording came from. */
function aliasFor(provider: string): string {
  if (provider === 'openai' || provider === 'anthropic' || provider === 'azure' || provider === 'vllm') return provider;
  return 'compatible';
}

/** What an answer says, in the oracle's words. */
function describeCompletion(completion: ChatCompletion): object[] {
  return completion.choices.map(({ index, message }) => ({
    index,
    text: message.content || null,
    tools: (message.tool_calls ?? []).map((call) =>
      call.type === 'function' ? { name: call.function.name, arguments: toJson(call.function.arguments) } : call,
    ),
  }));
}

function describeOracle({ oracle }: RecordedCase): object[] {
  const repaired = REPAIRED[oracle.id];
  if (repaired) return repaired;
  if (oracle.choices === undefined) {
    const tools = (oracle.tools ?? []).map(({ name, input }) => ({ name, arguments: input }));
    return [{ index: 0, text: oracle.text || null, tools }];
  }
  return oracle.choices.map(({ index, text, tools }) => ({
    index,
    text: text || null,
    tools: tools.map((tool) => ({ name: tool.name, arguments: toJson(tool.arguments) })),
  }));
}

/** Where the recording client lost something that the gateway repairs: a tool call sent without its index. */
const REPAIRED: Readonly<Record<string, object[]>> = {
  'compat-chat-completions-sse-011': [
    { index: 0, text: null, tools: [{ name: 'get_weather', arguments: { city: 'San Francisco' } }] },
  ],
};

function toJson(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    return text;
  }
}

(recordings && schema ? describe : describe.skip)('recorded answers of real providers, through the openai SDK', () => {
  const cases = recordings ? loadRecordings(recordings, ['chat.completions', 'messages']) : [];
  let upstream: ScriptableUpstream;
  let gateway: TestGateway;

  beforeAll(async () => {
    upstream = await ScriptableUpstream.start();
    const { url } = upstream;
    const target = (provider: string, extra: object = {}) => ({
      primary: { provider, model: 'recorded', classification_ceiling: 'RESTRICTED', ...extra },
    });
    gateway = await startTestGateway({
      gateway: { routing: { max_attempts: 1 } },
      providers: {
        openai: { type: 'openai', base_url: `${url}/v1`, api_key: 'upstream-credential' },
        anthropic: { type: 'anthropic', base_url: `${url}/v1`, api_key: 'upstream-credential' },
        azure: { type: 'azure_openai', base_url: url, api_key: 'upstream-credential', api_version: '2024-10-21' },
        vllm: { type: 'vllm', base_url: `${url}/v1` },
        compatible: { type: 'openai_compatible', base_url: `${url}/v1` },
      },
      models: {
        openai: target('openai'),
        anthropic: target('anthropic'),
        azure: target('azure', { deployment: 'recorded' }),
        vllm: target('vllm'),
        compatible: target('compatible'),
      },
      freeModels: ['openai', 'anthropic', 'azure', 'vllm', 'compatible'].map((name) => `${name}/recorded`),
    });
  });
  afterAll(async () => {
    await gateway.close();
    await upstream.close();
  });

  function replay({ recording }: RecordedCase): void {
    upstream.script({
      status: recording.status,
      headers: recording.replay_headers,
      body: recording.body_text,
      sliceBytes: 97,
    });
  }

  async function complete(recorded: RecordedCase): Promise<ChatCompletion> {
    replay(recorded);
    const body = {
      model: aliasFor(recorded.recording.provider),
      messages: [{ role: 'user' as const, content: 'as recorded' }],
    };
    const openai = gateway.openai();
    if (!recorded.recording.stream) return openai.chat.completions.create(body);
    const stream = openai.chat.completions.stream({ ...body, stream_options: { include_usage: true } });
    stream.on('chunk', (chunk) => expect(schema?.checkChunk(chunk)).toEqual([]));
    return stream.finalChatCompletion();
  }

  const answered = cases.filter(({ oracle }) => oracle.ok === true);
  const refused = cases.filter(({ oracle }) => oracle.ok === false && oracle.error?.status);

  it('has recordings of every provider', () => {
    expect(new Set(answered.map(({ recording }) => aliasFor(recording.provider)))).toEqual(
      new Set(['openai', 'anthropic', 'azure', 'vllm', 'compatible']),
    );
  });

  it.each(answered.map((recorded) => [recorded.recording.id, recorded] as const))('%s', async (_id, recorded) => {
    const completion = await complete(recorded);
    expect(describeCompletion(completion)).toEqual(describeOracle(recorded));
    expect(completion.model).toBe(aliasFor(recorded.recording.provider));
    if (!recorded.recording.stream) expect(schema?.checkCompletion(completion)).toEqual([]);
  });

  it.each(refused.map((recorded) => [recorded.recording.id, recorded] as const))(
    '%s is an error of the SDK',
    async (_id, recorded) => {
      const error = await complete(recorded).catch((problem: unknown) => problem);
      if (!(error instanceof APIError)) throw new Error(`not an API error: ${String(error)}`);
      const { status } = recorded.recording;
      const isCallers = [400, 404, 413, 422].includes(status);
      // Anything else is between AEGIS and the provider: the client hears of it in AEGIS's own words.
      if (isCallers) expect(error.status).toBe(status);
      else expect([429, 502, 503]).toContain(error.status);
      expect(JSON.stringify(error.error)).not.toContain('sk-');
      expect(error.requestID).toBeTruthy();
    },
  );

  it('a stream cut off by the provider never ends as if it were whole', async () => {
    let begun = 0;
    for (const recorded of answered.filter(({ recording }) => recording.stream)) {
      const { recording } = recorded;
      const half = recording.body_text.slice(0, Math.floor(recording.body_text.length / 2));
      upstream.script({ status: 200, headers: recording.replay_headers, body: half, ending: 'complete' });
      const answer = await request(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          model: aliasFor(recording.provider),
          stream: true,
          messages: [{ role: 'user', content: 'x' }],
        }),
      });
      const { text, clean } = await readToEnd(answer.body);
      // Cut before its first content it is a plain error, with a status that says so.
      if (answer.statusCode !== 200) {
        expect(answer.statusCode).toBe(502);
        continue;
      }
      begun++;
      expect(text).not.toContain('[DONE]');
      expect(text.trimEnd().split('\n').at(-1)).toContain('"error"');
      expect(clean).toBe(false);
    }
    expect(begun).toBeGreaterThan(50);
  });
});

async function readToEnd(body: AsyncIterable<Buffer>): Promise<{ text: string; clean: boolean }> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of body) pieces.push(piece);
    return { text: Buffer.concat(pieces).toString('utf8'), clean: true };
  } catch {
    return { text: Buffer.concat(pieces).toString('utf8'), clean: false };
  }
}
