import { JSON_ANSWER_TOOL } from '../../src/router/adapters/anthropic-own-words.js';
import { ClientProcess, clientsAreInstalled } from '../support/client-process.js';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import { type ModelAnswer, type ModelCall, SIGNATURE, WIRES, type Wire, wireAnswer } from '../support/provider-wire.js';
import { loadToolCalls } from '../support/recorded-tool-calls.js';
import { findShared } from '../support/recordings.js';
import { ScriptableUpstream, type ScriptedAnswer } from '../support/scriptable-upstream.js';
import { type Round, readFormat, readRequest } from '../support/wire-requests.js';

if (!clientsAreInstalled()) {
  const reason = 'The client libraries are not installed: `npm run test:e2e` does that, from the package registry.';
  if (process.env.CI === 'true') throw new Error(reason);
  console.warn(reason);
}

const recordings = findShared('recordings');

interface ToolDefinition {
  readonly name: string;
  readonly description: string;
  readonly parameters: object;
}

/** What an application saw of a conversation with tools. */
interface RoundTrip {
  readonly calls: readonly ModelCall[];
  readonly text: string;
  readonly reasoning: string | null;
  readonly finishReasons: readonly string[] | null;
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number };
}

/**
 * Applications that run tools: program, what else their tasks say, whether the library shows reasoning, and whether it
 * sends an answer back with all that was in it.
 */
const TOOL_USERS = [
  { name: 'the openai SDK', program: 'openai', settings: {}, showsReasoning: false, echoes: true },
  { name: 'the AI SDK', program: 'ai-sdk', settings: { package: 'openai' }, showsReasoning: false, echoes: false },
  {
    name: 'the AI SDK (openai-compatible)',
    program: 'ai-sdk',
    settings: { package: 'openai-compatible' },
    showsReasoning: true,
    echoes: false,
  },
  { name: 'LangChain', program: 'langchain', settings: {}, showsReasoning: false, echoes: false },
  { name: 'the OpenAI Agents SDK', program: 'openai-agents', settings: {}, showsReasoning: false, echoes: false },
] as const;

const PROMPT = 'What should I wear?';
const WEATHER: ToolDefinition = {
  name: 'get_weather',
  description: 'The weather in a city.',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  },
};
const ZURICH: ModelCall = { id: 'toolu_01Zuerich', name: 'get_weather', input: { city: 'Zürich' } };
const SAO_PAULO: ModelCall = { id: 'toolu_01SaoPaulo', name: 'get_weather', input: { city: 'São "Paulo" 🌧' } };
const FINAL: ModelAnswer = { text: 'Take a coat, and an umbrella ☂.', promptTokens: 40, completionTokens: 5 };
const ADA = { name: 'Ada Lovelace', age: 36 };

/** How an application asks for an object: by a tool it must call, by a schema, or as some JSON. */
type By = { readonly tool: string } | 'schema' | 'json' | 'text';

const EXTRACTORS: readonly {
  readonly name: string;
  readonly program: string;
  readonly settings: object;
  readonly by: By;
}[] = [
  { name: 'the openai SDK, zodResponseFormat', program: 'openai', settings: {}, by: 'schema' },
  { name: 'the AI SDK, Output.object', program: 'ai-sdk', settings: { package: 'openai' }, by: 'schema' },
  {
    name: 'the AI SDK (openai-compatible), Output.object',
    program: 'ai-sdk',
    settings: { package: 'openai-compatible' },
    by: 'schema',
  },
  {
    name: 'LangChain, withStructuredOutput by functionCalling',
    program: 'langchain',
    settings: { method: 'functionCalling' },
    by: { tool: 'person' },
  },
  {
    name: 'LangChain, withStructuredOutput by jsonSchema',
    program: 'langchain',
    settings: { method: 'jsonSchema' },
    by: 'schema',
  },
  {
    name: 'LangChain, withStructuredOutput by jsonMode',
    program: 'langchain',
    settings: { method: 'jsonMode' },
    by: 'json',
  },
  { name: 'the OpenAI Agents SDK, outputType', program: 'openai-agents', settings: {}, by: 'schema' },
  { name: 'instructor, TOOLS', program: 'instructor', settings: { mode: 'TOOLS' }, by: { tool: 'Person' } },
  { name: 'instructor, JSON', program: 'instructor', settings: { mode: 'JSON' }, by: 'json' },
  { name: 'instructor, JSON_SCHEMA', program: 'instructor', settings: { mode: 'JSON_SCHEMA' }, by: 'json' },
  { name: 'instructor, MD_JSON', program: 'instructor', settings: { mode: 'MD_JSON' }, by: 'text' },
];

/** How a model answers that: Anthropic's has no JSON mode and is given a tool for it. */
function objectAnswer(wire: Wire, by: By, value: Readonly<Record<string, unknown>>): ModelAnswer {
  const tool = typeof by === 'object' ? by.tool : by === 'json' && wire === 'anthropic' ? JSON_ANSWER_TOOL : null;
  return {
    ...(tool === null ? { text: JSON.stringify(value) } : { calls: [{ id: 'call_1', name: tool, input: value }] }),
    promptTokens: 20,
    completionTokens: 8,
  };
}

/** What reaches the provider when an application asks that way. */
function askedFor(wire: Wire, by: By): object {
  if (typeof by === 'object') return by;
  switch (by) {
    case 'schema':
      return { schema: { properties: { name: { type: 'string' }, age: { type: 'integer' } } } };
    case 'json':
      return wire === 'anthropic' ? { tool: JSON_ANSWER_TOOL } : { json: 'json_object' };
    case 'text':
      return {};
  }
}

/** A turn of the model's, and what the applications in `test/clients` answer: the same for every tool. */
function roundOf(said: string, calls: readonly ModelCall[]): Round {
  const results = calls.map(({ id, name, input }) => ({ id, text: `${name} was given ${JSON.stringify(input)}` }));
  return { said, calls, results };
}

/** The stream without its last third, ended as if that were all. */
function cut(answer: ScriptedAnswer): ScriptedAnswer {
  const events = answer.body as readonly string[];
  return { ...answer, body: events.slice(0, Math.ceil((events.length * 2) / 3)) };
}

(clientsAreInstalled() ? describe : describe.skip)('applications written with client libraries', () => {
  let upstream: ScriptableUpstream;
  let gateway: TestGateway;
  const applications = new Map<string, ClientProcess>();

  beforeAll(async () => {
    upstream = await ScriptableUpstream.start();
    const { url } = upstream;
    const target = (provider: string, extra: object = {}): object => ({
      primary: { provider, model: 'upstream-model', classification_ceiling: 'RESTRICTED', ...extra },
    });
    gateway = await startTestGateway({
      gateway: { routing: { max_attempts: 1, max_cooldown: '0s', circuit_breaker: { enabled: false } } },
      providers: {
        openai: { type: 'openai', base_url: `${url}/v1`, api_key: 'upstream-credential' },
        anthropic: { type: 'anthropic', base_url: `${url}/v1`, api_key: 'upstream-credential' },
        azure_openai: { type: 'azure_openai', base_url: url, api_key: 'upstream-credential', api_version: 'v1' },
        vllm: { type: 'vllm', base_url: `${url}/v1` },
        compatible: { type: 'openai_compatible', base_url: `${url}/v1` },
      },
      models: {
        openai: target('openai'),
        anthropic: target('anthropic', { model: 'claude-sonnet-4-5' }),
        azure_openai: target('azure_openai', { deployment: 'a-deployment' }),
        vllm: target('vllm'),
        compatible: target('compatible'),
      },
      freeModels: [
        ...['openai', 'azure_openai', 'vllm', 'compatible'].map((name) => `${name}/upstream-model`),
        'anthropic/claude-sonnet-4-5',
      ],
    });
    for (const program of ['openai', 'ai-sdk', 'langchain', 'instructor', 'openai-agents']) {
      applications.set(program, ClientProcess.start(program, gateway));
    }
  });
  afterAll(async () => {
    await Promise.all([...applications.values()].map((application) => application.stop()));
    await gateway.close();
    await upstream.close();
  });
  beforeEach(() => upstream.forget());

  function perform(program: string, task: string, parameters: object): Promise<unknown> {
    const application = applications.get(program);
    if (!application) throw new Error(`${program} was not started`);
    return application.perform(task, { prompt: PROMPT, ...parameters });
  }

  describe.each(EXTRACTORS)('$name', ({ program, settings, by }) => {
    describe.each(WIRES)('with %s behind AEGIS', (wire) => {
      it.each([
        { how: 'whole', stream: false },
        { how: 'streamed', stream: true },
      ])('gets an object of its schema: $how', async ({ stream }) => {
        upstream.script(wireAnswer(wire, objectAnswer(wire, by, ADA), stream));
        expect(await perform(program, 'extract', { model: wire, stream, ...settings })).toEqual(ADA);
        expect(upstream.requests).toHaveLength(1);
        expect(readFormat(wire, upstream.requests[0])).toMatchObject(askedFor(wire, by));
      });
    });
  });

  describe.each(EXTRACTORS.filter(({ program }) => program === 'instructor'))('$name', ({ program, settings, by }) => {
    it.each(WIRES)('sends what does not fit back and gets it mended, with %s behind AEGIS', async (wire) => {
      const wrong = objectAnswer(wire, by, { ...ADA, age: 'thirty-six' });
      upstream.script(wireAnswer(wire, wrong, false), wireAnswer(wire, objectAnswer(wire, by, ADA), false));
      expect(await perform(program, 'extract', { model: wire, ...settings, retries: 1 })).toEqual(ADA);
      const again = JSON.stringify(upstream.requests[1]?.json());
      expect(again).toContain('thirty-six');
      expect(again).toContain('Expected number, received string');
    });
  });

  describe.each(TOOL_USERS)('$name', ({ program, settings, showsReasoning, echoes }) => {
    const roundTrip = async (parameters: object): Promise<RoundTrip> =>
      (await perform(program, 'roundTrip', { tools: [WEATHER], ...settings, ...parameters })) as RoundTrip;

    describe.each(WIRES)('with %s behind AEGIS', (wire) => {
      const thinks = wire === 'vllm' || wire === 'anthropic';

      it.each([
        { how: 'whole', calls: [ZURICH], stream: false },
        { how: 'streamed', calls: [ZURICH], stream: true },
        { how: 'whole, two calls at once', calls: [ZURICH, SAO_PAULO], stream: false },
        { how: 'streamed, two calls at once', calls: [ZURICH, SAO_PAULO], stream: true },
      ])('calls a tool and gives its result back: $how', async ({ calls, stream }) => {
        const first: ModelAnswer = { text: 'Let me see.', calls, promptTokens: 20, completionTokens: 8 };
        upstream.script(wireAnswer(wire, first, stream), wireAnswer(wire, FINAL, stream));
        const seen = await roundTrip({ model: wire, stream });

        expect(seen.calls).toEqual(calls);
        expect(seen.text).toBe(FINAL.text);
        expect(seen.usage).toEqual({ inputTokens: 60, outputTokens: 13 });
        if (seen.finishReasons) expect(seen.finishReasons).toEqual(['tool_calls', 'stop']);

        expect(upstream.requests).toHaveLength(2);
        const asked = { prompt: PROMPT, tools: [WEATHER], stream };
        expect(readRequest(wire, upstream.requests[0])).toEqual({ ...asked, rounds: [] });
        expect(readRequest(wire, upstream.requests[1])).toEqual({ ...asked, rounds: [roundOf('Let me see.', calls)] });
      });

      it.each([
        { how: 'whole', stream: false },
        { how: 'streamed', stream: true },
      ])('calls again when one result is not enough: $how', async ({ stream }) => {
        const answers = [ZURICH, SAO_PAULO].map((call) => ({ calls: [call], promptTokens: 10, completionTokens: 4 }));
        upstream.script(...[...answers, FINAL].map((answer) => wireAnswer(wire, answer, stream)));
        const seen = await roundTrip({ model: wire, stream });
        expect(seen).toMatchObject({ calls: [ZURICH, SAO_PAULO], text: FINAL.text });
        expect(seen.usage).toEqual({ inputTokens: 60, outputTokens: 13 });
        expect(upstream.requests).toHaveLength(3);
        const rounds = [roundOf('', [ZURICH]), roundOf('', [SAO_PAULO])];
        expect(readRequest(wire, upstream.requests[2]).rounds).toEqual(rounds);
      });

      it('fails where the stream of its last answer is cut', async () => {
        const first = { calls: [ZURICH], promptTokens: 20, completionTokens: 8 };
        upstream.script(wireAnswer(wire, first, true), cut(wireAnswer(wire, FINAL, true)));
        await expect(roundTrip({ model: wire, stream: true })).rejects.toThrow(/answer ended before it was complete/);
      });

      it.each([
        { how: 'whole', stream: false },
        { how: 'streamed', stream: true },
      ])('calls a tool that takes nothing, without a word beside it: $how', async ({ stream }) => {
        const clock = { name: 'get_time', description: 'The time.', parameters: { type: 'object', properties: {} } };
        const call = { id: 'call_1', name: 'get_time', input: {} };
        const first = { calls: [call], promptTokens: 20, completionTokens: 8 };
        upstream.script(wireAnswer(wire, first, stream), wireAnswer(wire, FINAL, stream));
        const seen = await roundTrip({ model: wire, stream, tools: [clock] });
        expect(seen).toMatchObject({ calls: [call], text: FINAL.text });
        expect(readRequest(wire, upstream.requests[1]).rounds).toEqual([roundOf('', [call])]);
      });

      if (thinks) {
        it.each([
          { how: 'whole', stream: false },
          { how: 'streamed', stream: true },
        ])('calls a tool after thinking: $how', async ({ stream }) => {
          const first = { thinking: 'It may rain there.', calls: [ZURICH], promptTokens: 20, completionTokens: 8 };
          upstream.script(wireAnswer(wire, first, stream), wireAnswer(wire, FINAL, stream));
          const seen = await roundTrip({ model: wire, stream, reasoningEffort: 'low' });
          expect(seen).toMatchObject({ calls: [ZURICH], text: FINAL.text });
          if (showsReasoning) expect(seen.reasoning).toBe('It may rain there.');
          expect(readRequest(wire, upstream.requests[1]).rounds).toEqual([roundOf('', [ZURICH])]);
          if (wire !== 'anthropic') return;
          // It thinks on where it is shown what it signed. A library that loses that must not be refused for it.
          const { thinking, messages } = (await upstream.request(1)).json() as ThinkingRequest;
          expect(thinking?.type).toBe(echoes ? 'enabled' : undefined);
          const signed = { type: 'thinking', thinking: 'It may rain there.', signature: SIGNATURE };
          if (echoes) expect(messages[1]?.content[0]).toEqual(signed);
        });
      }
    });

    const recorded = recordings ? loadToolCalls(recordings) : [];
    (recordings ? describe : describe.skip)('given what providers really said', () => {
      it('has some tool calls, streamed and whole', () => {
        expect(new Set(recorded.map(({ recording }) => recording.stream))).toEqual(new Set([true, false]));
      });

      it.each(recorded.map((tool) => [tool.recording.id, tool] as const))(
        '%s',
        async (_id, { wire, recording, calls }) => {
          const { stream, status, replay_headers: headers, body_text: body } = recording;
          const format = wire === 'compatible' ? 'openai' : wire;
          upstream.script({ status, headers, body, sliceBytes: 97 }, wireAnswer(format, FINAL, stream));
          const tools = [...new Set(calls.map(({ name }) => name))].map((name) => ({
            name,
            description: 'As recorded.',
            parameters: { type: 'object', properties: {}, additionalProperties: true },
          }));
          const seen = await roundTrip({ model: wire, stream, tools });
          expect(seen.calls).toEqual(calls.map((call) => ({ ...call, id: expect.stringMatching(/./) })));
          expect(seen.text).toBe(FINAL.text);
          const { results } = roundOf('', seen.calls);
          expect(readRequest(format, upstream.requests[1]).rounds).toMatchObject([{ calls: seen.calls, results }]);
        },
      );
    });
  });
});

interface ThinkingRequest {
  readonly thinking?: { readonly type: string };
  readonly messages: readonly { readonly content: readonly object[] }[];
}
