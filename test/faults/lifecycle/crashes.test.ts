import { join } from 'node:path';
import { request } from 'undici';
import { waitUntil } from '../../integration/auth/replica.js';
import {
  chunkEvent,
  completionAnswer,
  jsonAnswer,
  type RecordedRequest,
  type ScriptedAnswer,
  streamAnswer,
} from '../../support/scriptable-upstream.js';
import { type Answer, WorkerGateway } from '../../support/worker-gateway.js';
import { Cleanup } from '../support/cleanup.js';
import { Clients, failuresOf, isStreamWhole } from '../support/clients.js';
import { note } from '../support/notes.js';

const DEADLINE_MS = 120_000;
const DETONATOR = join(process.cwd(), 'test', 'faults', 'support', 'detonator.mjs');
const EVENT_STREAM = { 'content-type': 'text/event-stream' };

/** Values where something else belongs, one after the other, in each place of an answer that code reads. */
const ODD: readonly unknown[] = [null, [], {}, '', 'text', 0, -1, 1e308, true, [null], [[]], { a: null }];

const OPENAI_PLACES: readonly (readonly (string | number)[])[] = [
  [],
  ['choices'],
  ['choices', 0],
  ['choices', 0, 'index'],
  ['choices', 0, 'PART'],
  ['choices', 0, 'PART', 'content'],
  ['choices', 0, 'PART', 'tool_calls'],
  ['choices', 0, 'PART', 'tool_calls', 0],
  ['choices', 0, 'PART', 'tool_calls', 0, 'index'],
  ['choices', 0, 'PART', 'tool_calls', 0, 'function'],
  ['choices', 0, 'PART', 'tool_calls', 0, 'function', 'arguments'],
  ['choices', 0, 'finish_reason'],
  ['usage'],
  ['usage', 'prompt_tokens'],
  ['usage', 'prompt_tokens_details'],
  ['model'],
];
const ANTHROPIC_PLACES: readonly (readonly (string | number)[])[] = [
  [],
  ['content'],
  ['content', 0],
  ['content', 0, 'type'],
  ['content', 0, 'text'],
  ['content', 1],
  ['content', 1, 'name'],
  ['content', 1, 'input'],
  ['stop_reason'],
  ['usage'],
  ['usage', 'input_tokens'],
];

const TOOL_CALL = { index: 0, id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"a":1}' } };
const part = { role: 'assistant', content: 'yes', tool_calls: [TOOL_CALL] };
const usage = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12, prompt_tokens_details: { cached_tokens: 1 } };
const openAi = (name: 'message' | 'delta'): object => ({
  id: 'x',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, [name]: part, finish_reason: 'tool_calls' }],
  usage,
});
const ANTHROPIC = {
  id: 'x',
  type: 'message',
  role: 'assistant',
  model: 'm',
  content: [
    { type: 'text', text: 'yes' },
    { type: 'tool_use', id: 'toolu_1', name: 'look', input: { a: 1 } },
  ],
  stop_reason: 'tool_use',
  usage: { input_tokens: 9, output_tokens: 3 },
};
const ANTHROPIC_EVENTS: readonly (readonly [string, object])[] = [
  ['message_start', { message: { ...ANTHROPIC, content: [], stop_reason: null } }],
  ['content_block_start', { index: 0, content_block: ANTHROPIC.content[1] }],
  ['content_block_delta', { index: 0, delta: { type: 'input_json_delta', partial_json: '{}' } }],
  ['content_block_stop', { index: 0 }],
  ['message_delta', { delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 3 } }],
  ['message_stop', {}],
];

/** The value with another one in this place. */
function put(value: unknown, place: readonly (string | number)[], odd: unknown): unknown {
  const [name, ...rest] = place;
  if (name === undefined) return odd;
  if (Array.isArray(value)) return value.map((entry, index) => (index === name ? put(entry, rest, odd) : entry));
  const object = (value ?? {}) as Record<string, unknown>;
  return { ...object, [name]: put(object[name], rest, odd) };
}

const within = (places: typeof OPENAI_PLACES, name: string) =>
  places.map((place) => place.map((step) => (step === 'PART' ? name : step)));

function* oddOpenAi(): Generator<ScriptedAnswer> {
  for (const odd of ODD) {
    for (const place of within(OPENAI_PLACES, 'message')) yield jsonAnswer(200, put(openAi('message'), place, odd));
    for (const place of within(OPENAI_PLACES, 'delta')) {
      const event = `data: ${JSON.stringify(put(openAi('delta'), place, odd))}\n\n`;
      yield { headers: EVENT_STREAM, body: [chunkEvent({ role: 'assistant' }), event, 'data: [DONE]\n\n'] };
    }
  }
}

function* oddAnthropic(): Generator<ScriptedAnswer> {
  const write = (type: string, fields: unknown): string => `event: ${type}\ndata: ${JSON.stringify(fields)}\n\n`;
  for (const odd of ODD) {
    for (const place of ANTHROPIC_PLACES) yield jsonAnswer(200, put(ANTHROPIC, place, odd));
    for (const [changed, [, fields]] of ANTHROPIC_EVENTS.entries()) {
      for (const name of [null, ...Object.keys(fields)]) {
        const body = ANTHROPIC_EVENTS.map(([type, whole], index) => {
          const event = { type, ...whole };
          return write(type, index === changed ? put(event, name === null ? [] : [name], odd) : event);
        });
        yield { headers: EVENT_STREAM, body };
      }
    }
  }
}

const isStream = (answer: ScriptedAnswer): boolean => answer.headers === EVENT_STREAM;
/** What stands in the prompt, in whichever form it is sent. */
const markOf = (received: RecordedRequest, kind: string): string =>
  new RegExp(`"${kind}-(\\w+)"`).exec(received.body.toString('utf8'))?.[1] ?? '';

describe('a fault in one request', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  async function start(type: string, environment: Record<string, string> = {}): Promise<WorkerGateway> {
    // Circuits would open, and spare the gateway what it is to read.
    const routing = { circuit_breaker: { enabled: false } };
    const gateway = await WorkerGateway.start({
      workers: 1,
      isStarted: false,
      provider: { type },
      gateway: { routing },
    });
    cleanup.add(() => gateway.close());
    await gateway.spawn({ environment });
    return gateway;
  }

  it.each([
    ['openai', oddOpenAi],
    ['anthropic', oddAnthropic],
  ])(
    'row 60: whatever stands in an answer where something else belongs: that request alone has it, %s',
    async (type, make) => {
      const gateway = await start(type);
      const answers = [...make()];
      gateway.upstream.answerWith((received) => answers[Number(markOf(received, 'odd'))] ?? {});
      const seen: Answer[] = [];
      const ask = async (index: number): Promise<void> => {
        const stream = isStream(answers[index] ?? {});
        seen.push(await gateway.ask({ stream, messages: [{ role: 'user', content: `odd-${index}` }] }));
      };
      for (let from = 0; from < answers.length; from += 8) {
        await Promise.all(answers.slice(from, from + 8).map((_, index) => ask(from + index)));
      }
      const statuses: Record<string, number> = {};
      for (const { status } of seen) statuses[status] = (statuses[status] ?? 0) + 1;
      note(`${answers.length} answers: ${JSON.stringify(statuses)}`);
      expect(seen.filter(({ status, text }) => status === 500 || text.includes('internal_error'))).toEqual([]);
      // A stream that is cut after an error event has said so; one that is cut without a word has not.
      expect(seen.filter(({ status, text }) => status === 0 && !text.includes('"error"'))).toEqual([]);
      expect(gateway.process.output()).not.toMatch(/"msg":"(uncaught|unhandled)/);
      await waitUntil(async () => (await gateway.metric('aegis_requests_in_flight')) === 0);
      expect(statuses['200']).toBeGreaterThan(10);
      expect(gateway.process.child.exitCode).toBeNull();
    },
    DEADLINE_MS,
  );

  it(
    'row 60: the gateway itself has a fault in reading, writing, or where nobody waits: that request fails, the others go on',
    async () => {
      const gateway = await start('openai', { NODE_OPTIONS: `--import=${DETONATOR}` });
      gateway.upstream.answerWith((received) => {
        const { stream } = received.json() as { stream?: boolean };
        const place = markOf(received, 'fault');
        const word = place === '' ? 'fine' : `detonate-${place}`;
        return stream ? { ...streamAnswer(['a', word, 'c']), pieceDelayMs: 20 } : completionAnswer(word);
      });
      const clients = Clients.start(gateway, { clients: 4 });
      await clients.answered(8);
      const faulty: Answer[] = [];
      for (const [stream, place] of [
        [false, 'reading'],
        [false, 'writing'],
        [true, 'writing'],
      ] as const) {
        faulty.push(await gateway.ask({ stream, messages: [{ role: 'user', content: `fault-${place}` }] }));
      }
      for (const fault of ['rejection', 'exception']) {
        const answer = await request(`${gateway.url}/v1/models`, {
          headers: { authorization: `Bearer ${gateway.key}`, 'x-test-fault': fault },
        });
        await answer.body.dump();
        expect(answer.statusCode).toBe(200);
      }
      await clients.answered(20);
      const others = await clients.stop();
      // A stream with a hole must not look whole.
      expect(faulty[2]?.text).toMatch(/"error":[^\n]*\n\n$/);
      note(`${faulty.map(({ status }) => status).join(', ')}; ${others.length} others answered`);
      expect(faulty.filter((answer) => answer.status === 200 && isStreamWhole(answer))).toEqual([]);
      expect(failuresOf(others)).toEqual([]);
      // Nothing of them is left open.
      await waitUntil(async () => (await gateway.metric('aegis_requests_in_flight')) === 0);
      await waitUntil(async () => (await gateway.metric('aegis_streams_open')) === 0);
      for (const message of ['unhandled rejection', 'uncaught exception']) {
        expect(gateway.entries(message).map(({ level }) => level)).toContain('error');
      }
      gateway.process.child.kill('SIGTERM');
      expect(await gateway.process.exited).toBe(0);
    },
    DEADLINE_MS,
  );
});
