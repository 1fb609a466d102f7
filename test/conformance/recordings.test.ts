import type { ChatCompletionRequest } from '../../src/domain/chat.js';
import { scanJson } from '../../src/domain/json-scan.js';
import type { ProviderAdapter } from '../../src/domain/provider-adapter.js';
import { RequestBody } from '../../src/domain/request-body.js';
import type { ScreenedRequest } from '../../src/domain/screened-request.js';
import { UpstreamError } from '../../src/domain/upstream-error.js';
import { AnthropicAdapter } from '../../src/router/adapters/anthropic.adapter.js';
import { AzureOpenAiAdapter } from '../../src/router/adapters/azure-openai.adapter.js';
import { OpenAiAdapter } from '../../src/router/adapters/openai.adapter.js';
import { OpenAiCompatibleAdapter } from '../../src/router/adapters/openai-compatible.adapter.js';
import { VllmAdapter } from '../../src/router/adapters/vllm.adapter.js';
import { loadOpenAiSchema } from '../support/openai-schema.js';
import { findShared, loadRecordings, type OracleEntry, type Recording } from '../support/recordings.js';
import { CONTEXT, joinChunks, slices, translateStream } from '../support/streamed-answers.js';
import { targetOf } from '../support/targets.js';

const folder = findShared('recordings');
const schema = loadOpenAiSchema();
const withRecordings = folder && schema ? describe : describe.skip;

/** A tool or an answer as both sides can be compared by: arguments by what they mean, never by how they are spelt. */
interface Told {
  readonly finish: string | null;
  readonly text: string;
  readonly refusal: string;
  readonly reasoning: string;
  readonly tools: readonly { readonly name: string; readonly arguments: unknown }[];
}

/**
 * Streams that the official SDK cannot read and AEGIS can: what AEGIS repairs, or knows to be complete, is named.
 */
const REPAIRED: Readonly<Record<string, string>> = {
  'azure-chat-completions-sse-015': 'no role came',
  'compat-chat-completions-sse-006': 'one of two choices has no finish, [DONE] says it is complete',
  'compat-chat-completions-sse-014': 'no finish came, [DONE] says it is complete',
  'vllm-gpustack-chat-completions-sse-001': 'no role came',
  'anthropic-messages-sse-003': 'two messages in one stream: the first is the answer',
  'x-anthropic-vendor-duplicate-message-start': 'message_start came twice',
  'x-anthropic-vendor-sdk-refusal_response': 'the last event lacks its blank line',
};

/** Streams that stay readable for the SDK, which then loses something that AEGIS keeps. */
const KEPT: Readonly<Record<string, Partial<Told>>> = {
  // A tool call without an index.
  'compat-chat-completions-sse-011': { tools: [{ name: 'get_weather', arguments: { city: 'San Francisco' } }] },
};

/** A server that says "finished" after each tool call: cut after the first, its stream cannot be told from a whole one. */
const FINISHES_TWICE = 'compat-chat-completions-sse-008';

const STOP_REASONS: Readonly<Record<string, string>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  max_tokens: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
};

const LEGAL_FINISHES = ['stop', 'length', 'tool_calls', 'content_filter', 'function_call'];

function adapterOf({ provider, api }: Recording): ProviderAdapter {
  if (api === 'messages') return new AnthropicAdapter();
  if (provider === 'openai') return new OpenAiAdapter();
  if (provider === 'azure') return new AzureOpenAiAdapter();
  if (provider === 'vllm' || provider.includes('localhost:8000')) return new VllmAdapter();
  return new OpenAiCompatibleAdapter();
}

function meaning(text: string): unknown {
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function toldByOracle(oracle: OracleEntry): Told[] {
  if (!oracle.choices) {
    return [
      {
        finish: STOP_REASONS[oracle.stop_reason ?? ''] ?? 'stop',
        text: oracle.text ?? '',
        refusal: '',
        reasoning: oracle.thinking ?? '',
        tools: (oracle.tools ?? []).map(({ name, input }) => ({ name, arguments: input })),
      },
    ];
  }
  return oracle.choices.map((choice) => ({
    finish: choice.finish_reason,
    text: choice.text ?? '',
    refusal: choice.refusal ?? '',
    reasoning: choice.reasoning ?? '',
    tools: choice.tools.map(({ name, arguments: text }) => ({ name, arguments: meaning(text) })),
  }));
}

/** Where the SDK's finish is none of OpenAI's, any legal one will do. */
function withComparableFinish(told: readonly Told[], oracle: readonly Told[]): Told[] {
  return told.map((choice, index) => {
    const expected = oracle[index]?.finish ?? null;
    if (expected !== null && LEGAL_FINISHES.includes(expected)) return choice;
    expect(LEGAL_FINISHES).toContain(choice.finish);
    return { ...choice, finish: expected };
  });
}

function usageOfOracle(oracle: OracleEntry): { prompt: number; completion: number } | null {
  const { usage } = oracle;
  if (!usage) return null;
  if (oracle.choices) return { prompt: Number(usage.prompt_tokens), completion: Number(usage.completion_tokens) };
  const cached = Number(usage.cache_read ?? 0) + Number(usage.cache_write ?? 0);
  return { prompt: Number(usage.input_tokens) + cached, completion: Number(usage.output_tokens) };
}

function toldByStream(texts: readonly string[]): Told[] {
  return joinChunks(texts).choices.map((choice) => ({
    finish: choice.finishReasons[0] ?? null,
    text: choice.content,
    refusal: choice.refusal,
    reasoning: choice.reasoning,
    tools: choice.tools.map(({ name, arguments: text }) => ({ name, arguments: meaning(text) })),
  }));
}

/** Reasoning as the deltas spell it: the SDK keeps the last delta of a field it does not know. */
function recordedReasoning(recording: Recording): string {
  let reasoning = '';
  for (const line of recording.body_text.split(/[\r\n]+/)) {
    if (!line.startsWith('data: {')) continue;
    const delta = JSON.parse(line.slice(6)).choices?.[0]?.delta;
    reasoning += delta?.reasoning_content ?? delta?.reasoning ?? '';
  }
  return reasoning;
}

/** Up to where the bytes stand between two events. */
function eventBorders(text: string): number[] {
  return [...text.matchAll(/\r\n\r\n|\n\n|\r\r/g)].map((border) => (border.index ?? 0) + border[0].length);
}

const tally = new Map<string, { passed: number; total: number }>();

function counted(recording: Recording, check: () => void): void {
  const provider = recording.provider.startsWith('openai-compatible') ? 'openai-compatible' : recording.provider;
  const kind = recording.stream ? 'stream' : recording.status === 200 ? 'answer' : 'error';
  const row = `${provider.padEnd(18)} ${recording.api.padEnd(17)} ${kind}`;
  const counts = tally.get(row) ?? { passed: 0, total: 0 };
  tally.set(row, counts);
  counts.total++;
  check();
  counts.passed++;
}

withRecordings('what real providers sent', () => {
  const cases = folder ? loadRecordings(folder, ['chat.completions', 'messages']) : [];
  const answers = cases.filter(({ recording }) => !recording.stream && recording.status === 200);
  const errors = cases.filter(({ recording }) => recording.status !== 200);
  const streams = cases.filter(({ recording }) => recording.stream && recording.status === 200);
  const whole = streams.filter(({ recording, oracle }) => oracle.ok || REPAIRED[recording.id]);
  const broken = streams.filter(({ recording, oracle }) => !oracle.ok && !REPAIRED[recording.id]);

  afterAll(() => {
    const rows = [...tally].sort().map(([row, { passed, total }]) => `${row.padEnd(50)} ${passed}/${total}`);
    process.stdout.write(`\n${rows.join('\n')}\n`);
  });

  it.each(answers.map((entry) => [entry.recording.id, entry] as const))(
    'reads the answer %s as its SDK does',
    (_id, entry) => {
      const { recording, oracle } = entry;
      counted(recording, () => {
        const { completion, usage } = adapterOf(recording).parseCompletion(Buffer.from(recording.body_text), CONTEXT);

        expect(schema?.checkCompletion(completion)).toEqual([]);
        expect(completion.model).toBe(CONTEXT.requestedModel);
        const told = completion.choices.map(({ message, finish_reason: finish }) => ({
          finish,
          text: message.content ?? '',
          refusal: message.refusal ?? '',
          reasoning: message.reasoning_content ?? '',
          tools: (message.tool_calls ?? []).map((call) => ({
            name: call.function.name,
            arguments: meaning(call.function.arguments),
          })),
        }));
        const expected = toldByOracle(oracle);
        expect(withComparableFinish(told, expected)).toEqual(expected);
        const counts = completion.usage && {
          prompt: completion.usage.prompt_tokens,
          completion: completion.usage.completion_tokens,
        };
        expect(counts ?? null).toEqual(usageOfOracle(oracle));
        expect(usage?.promptTokens).toBe(counts?.prompt);
      });
    },
  );

  it.each(whole.map((entry) => [entry.recording.id, entry] as const))(
    'relays the stream %s as its SDK reads it, however it is split',
    (_id, entry) => {
      const { recording, oracle } = entry;
      counted(recording, () => {
        const adapter = adapterOf(recording);
        const bytes = Buffer.from(recording.body_text);
        const stream = translateStream(adapter, [bytes]);

        expect(stream.error).toBeNull();
        const joined = joinChunks(stream.texts);
        expect(joined.faults).toEqual([]);
        for (const text of stream.texts) {
          expect(schema?.checkChunk(JSON.parse(text))).toEqual([]);
          expect(JSON.parse(text).model).toBe(CONTEXT.requestedModel);
        }
        if (oracle.ok) {
          const expected = toldByOracle(oracle).map((told) => {
            if (recording.api === 'messages') return told;
            return { ...told, reasoning: recordedReasoning(recording), ...KEPT[recording.id] };
          });
          expect(withComparableFinish(toldByStream(stream.texts), expected)).toEqual(expected);
          const counts = joined.usage.map((usage) => ({
            prompt: usage?.prompt_tokens,
            completion: usage?.completion_tokens,
          }));
          const expectedUsage = usageOfOracle(oracle);
          expect(counts).toEqual(expectedUsage ? [expectedUsage] : []);
        }
        for (const size of [1, 2, 3, 7, 1460]) {
          expect(translateStream(adapter, slices(bytes, size)).texts).toEqual(stream.texts);
        }
      });
    },
  );

  it.each(whole.map((entry) => [entry.recording.id, entry] as const))(
    'never takes a part of the stream %s for the whole',
    (_id, { recording }) => {
      const adapter = adapterOf(recording);
      const complete = toldByStream(translateStream(adapter, [Buffer.from(recording.body_text)]).texts);
      for (const border of eventBorders(recording.body_text)) {
        const stream = translateStream(adapter, [Buffer.from(recording.body_text.slice(0, border))]);
        // A part that holds every word and the finish is the whole.
        if (!stream.error) {
          if (recording.id !== FINISHES_TWICE) expect(toldByStream(stream.texts)).toEqual(complete);
        } else expect(joinChunks(stream.texts).choices.flatMap(({ finishReasons }) => finishReasons)).toEqual([]);
      }
    },
  );

  it.each(broken.map((entry) => [entry.recording.id, entry] as const))(
    'reports the broken stream %s, and no finish',
    (_id, { recording, oracle }) => {
      counted(recording, () => {
        const stream = translateStream(adapterOf(recording), [Buffer.from(recording.body_text)]);

        expect(stream.error).toBeInstanceOf(UpstreamError);
        expect(stream.error?.mayTryElsewhere).toBe(true);
        expect(stream.error?.code).toBe(oracle.error?.type ? 'upstream_error' : 'upstream_invalid_response');
        expect(stream.error?.message).not.toContain(oracle.error?.message);
        expect(joinChunks(stream.texts).choices.flatMap(({ finishReasons }) => finishReasons)).toEqual([]);
      });
    },
  );

  it.each(errors.map((entry) => [entry.recording.id, entry] as const))(
    'understands the error %s as its SDK does',
    (_id, { recording, oracle }) => {
      counted(recording, () => {
        const { status, replay_headers: headers, body_text: body } = recording;
        const error = adapterOf(recording).parseError(status, headers, Buffer.from(body));

        expect(error.fault.status).toBe(oracle.error?.status);
        expect(error.fault.type ?? null).toBe(oracle.error?.type ?? null);
        if (status === 401) {
          expect(error.disposition).toBe('credential');
          expect(JSON.stringify(error.toEnvelope('r'))).not.toMatch(/sk-|bad-key|not-a-r/);
        } else if (status === 429 || status === 529) {
          expect(error.disposition).toBe(status === 429 ? 'rate_limited' : 'transient');
        } else {
          expect(error.disposition).toBe('caller');
          expect(error.status).toBe(status);
          // The oracle cuts long messages. No address is restated but those of documentation.
          const said = oracle.error?.message?.replace(/https:\/\/source\.unsplash\.com\S*\w/, '[address]');
          expect(said).toContain(error.message.slice(0, 150));
          if (oracle.error?.code !== null) expect(error.wireCode).toBe(String(oracle.error?.code));
        }
      });
    },
  );

  it.each(
    cases
      .filter(({ recording }) => recording.api === 'chat.completions' && recording.request?.body_text)
      .map(({ recording }) => [recording.id, recording] as const),
  )('sends the recorded request %s on with only the model and the usage count changed', (_id, recording) => {
    const bytes = Buffer.from(recording.request?.body_text ?? '');
    const chat = JSON.parse(bytes.toString()) as ChatCompletionRequest;
    const request: ScreenedRequest = {
      chat,
      body: new RequestBody(bytes, scanJson(bytes, 64).members),
      findings: [],
      level: 'PUBLIC',
    };
    const adapter = adapterOf(recording);
    const sent = JSON.parse(adapter.buildRequest(request, targetOf(adapter.type)).body.toString());
    const streamOptions = chat.stream ? { stream_options: { ...chat.stream_options, include_usage: true } } : {};
    expect(sent).toEqual({ ...chat, ...streamOptions, model: 'upstream-model' });
  });
});
