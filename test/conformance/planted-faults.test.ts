import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { request } from 'undici';
import { ConformanceCheck } from '../support/conformance-check.js';
import type { GatewayUnderTest } from '../support/conformance-client.js';
import { startConformanceGateway } from '../support/conformance-gateway.js';
import { ConformanceReport } from '../support/conformance-report.js';
import type { TestGateway } from '../support/gateway.js';
import { loadOpenAiSchema } from '../support/openai-schema.js';
import { type OracleEntry, type RecordedCase, type Recording, readRecordedSet } from '../support/recordings.js';
import { ReplayUpstream } from '../support/replay-upstream.js';

const schema = loadOpenAiSchema();

const HEAD = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 7, model: 'upstream-model' };
const USAGE = { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 };

function chunk(delta: object, finish: string | null = null, index = 0): object {
  return { ...HEAD, choices: [{ index, delta, logprobs: null, finish_reason: finish }] };
}

function body(...events: readonly (object | string)[]): string {
  return events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join('');
}

const CALL = { index: 0, id: 'call_1', type: 'function', function: { name: 'look_up', arguments: '{"city":"Köln"}' } };
const SPOKEN = [
  chunk({ role: 'assistant', content: 'Grüße, ' }),
  chunk({ content: 'Welt' }),
  chunk({ tool_calls: [CALL] }),
  chunk({}, 'tool_calls'),
  { ...HEAD, choices: [], usage: USAGE },
  '[DONE]',
];

const RECORDING: Recording = {
  id: 'a-stream',
  provider: 'openai',
  api: 'chat.completions',
  stream: true,
  status: 200,
  features: [],
  request: null,
  replay_headers: { 'content-type': 'text/event-stream' },
  body_text: body(...SPOKEN),
};

const CHOICE = {
  index: 0,
  finish_reason: 'tool_calls',
  text: 'Grüße, Welt',
  refusal: null,
  reasoning: null,
  tools: [{ id: 'call_1', name: 'look_up', arguments: '{ "city": "Köln" }' }],
};

const ORACLE: OracleEntry = { id: 'a-stream', api: 'chat.completions', ok: true, usage: USAGE, choices: [CHOICE] };

function recorded(recording: Partial<Recording> = {}, oracle: Partial<OracleEntry> = {}): RecordedCase {
  return { recording: { ...RECORDING, ...recording }, oracle: { ...ORACLE, ...oracle } };
}

function gaveUp(message: string): Partial<OracleEntry> {
  return { ok: false, error: { status: null, type: null, code: null, message } };
}

/** What goes wrong in a set, and the words by which whoever reads the report has to learn of it. */
const FAULTS: readonly (readonly [string, RecordedCase, RegExp])[] = [
  ['another text', recorded({}, { choices: [{ ...CHOICE, text: 'Grüße, World' }] }), /choice 0: text is .*World/],
  ['another finish', recorded({}, { choices: [{ ...CHOICE, finish_reason: 'stop' }] }), /finish is "tool_calls"/],
  [
    'other arguments',
    recorded({}, { choices: [{ ...CHOICE, tools: [{ id: '', name: 'look_up', arguments: '{"city":"Ulm"}' }] }] }),
    /tools is .*Köln.*expected .*Ulm/,
  ],
  ['a tool less', recorded({}, { choices: [{ ...CHOICE, tools: [] }] }), /tools is .*look_up/],
  ['a choice more', recorded({}, { choices: [CHOICE, { ...CHOICE, index: 1 }] }), /1 choices, expected 2/],
  [
    'another count',
    recorded({}, { usage: { ...USAGE, completion_tokens: 6 } }),
    /usage\.completion_tokens is 5, expected 6/,
  ],
  [
    'a count that never came',
    recorded({}, { usage: { ...USAGE, prompt_tokens_details: { cached_tokens: 2 } } }),
    /cached_tokens is absent, expected 2/,
  ],
  ['a failure the SDK saw and nobody else', recorded({}, gaveUp('tea is cold')), /cannot be classified.*tea is cold/],
  ['a status nobody knows', recorded({ status: 302 }), /cannot be classified.*302/],
  ['an error that the oracle calls a success', recorded({ status: 400 }), /cannot be classified.*400/],
  [
    'another type of error',
    recorded(
      { stream: false, status: 400, body_text: '{"error":{"message":"No.","type":"one_error","code":null}}' },
      { ok: false, error: { status: 400, type: 'other_error', code: null, message: '400 No.' } },
    ),
    /error type is one_error, expected other_error/,
  ],
];

(schema ? describe : describe.skip)('what the conformance suite makes of a fault', () => {
  let upstream: ReplayUpstream;
  let gateway: TestGateway;

  beforeAll(async () => {
    upstream = await ReplayUpstream.start();
    gateway = await startConformanceGateway(upstream.url);
  });
  afterAll(async () => {
    await gateway.close();
    await upstream.close();
  });

  async function problemsOf(one: RecordedCase, of: GatewayUnderTest = gateway): Promise<readonly string[]> {
    if (!schema) throw new Error('no schema');
    const check = new ConformanceCheck(of, upstream, schema);
    try {
      return (await check.run(one)).problems;
    } finally {
      await check.close();
    }
  }

  it('finds none where there is none', async () => {
    expect(await problemsOf(recorded())).toEqual([]);
  });

  it.each(FAULTS)('finds %s', async (_name, one, reason) => {
    expect((await problemsOf(one)).join('\n')).toMatch(reason);
  });

  it('takes a whole answer for one where the SDK misses a role', async () => {
    const [, ...rest] = SPOKEN;
    const one = recorded(
      { body_text: body(chunk({ content: 'Grüße, ' }), ...rest) },
      gaveUp('missing role for choice 0'),
    );
    expect(await problemsOf(one)).toEqual([]);
  });

  it('takes each tool call for one where the SDK makes one of two', async () => {
    const other = { ...CALL, id: 'call_2', function: { name: 'look_up', arguments: '{"city":"Ulm"}' } };
    const [first, second, call, ...rest] = SPOKEN;
    const one = recorded(
      { body_text: body(first ?? '', second ?? '', call ?? '', chunk({ tool_calls: [other] }), ...rest) },
      { choices: [{ ...CHOICE, tools: [{ id: '', name: 'look_up', arguments: '{"city":"Köln"}{"city":"Ulm"}' }] }] },
    );
    expect(await problemsOf(one)).toEqual([]);
  });

  it('expects an error where the SDK misses a finish, and so do the bytes', async () => {
    const one = recorded({ body_text: body(...SPOKEN.slice(0, 2)) }, gaveUp('missing finish_reason for choice 0'));
    expect(await problemsOf(one)).toEqual([]);
  });

  it('finds a gateway that ends a cut stream as if it were whole', async () => {
    const liar = await startLiar(upstream.url);
    try {
      const problems = (await problemsOf(recorded(), liar.gateway)).join('\n');
      expect(problems).toMatch(/cut: after event 1 of \d+ characters, ended as if whole: a clean end/);
      expect(problems).toMatch(/model is "upstream-model", not the alias/);
    } finally {
      await liar.close();
    }
  });

  it('goes on past recordings that cannot be read, and names each', () => {
    const folder = mkdtempSync(join(tmpdir(), 'aegis-recordings-'));
    mkdirSync(join(folder, 'cases'));
    const write = (id: string, content: unknown): void =>
      writeFileSync(
        join(folder, 'cases', `${id}.json`),
        typeof content === 'string' ? content : JSON.stringify(content),
      );
    const row = (id: string, api = RECORDING.api): string => `${id}\topenai\t${api}\tsse\t200`;
    const ids = ['good', 'no-case', 'no-json', 'no-body', 'no-oracle'];
    const index = ['id\tprovider\tapi\tkind\tstatus', ...ids.map((id) => row(id)), row('other', 'embeddings')];
    writeFileSync(join(folder, 'index.tsv'), index.join('\n'));
    const oracles = ids.slice(0, -1).map((id) => JSON.stringify({ ...ORACLE, id }));
    writeFileSync(join(folder, 'oracle.jsonl'), ['{"id":', ...oracles].join('\n'));
    for (const id of ['good', 'no-oracle', 'in-no-index']) write(id, { ...RECORDING, id });
    write('no-json', '{');
    write('no-body', { ...RECORDING, body_text: null });

    const set = readRecordedSet(folder, [RECORDING.api]);
    rmSync(folder, { recursive: true });
    expect(set.cases.map(({ recording }) => recording.id)).toEqual(['good']);
    expect(Object.fromEntries(set.unusable.map(({ id, problem }) => [id, problem]))).toEqual({
      'no-case': expect.stringContaining('no such file'),
      'no-json': expect.stringContaining('JSON'),
      'no-body': 'the case lacks body_text',
      'no-oracle': 'oracle.jsonl has no line for it',
      'in-no-index': 'oracle.jsonl has no line for it',
      'oracle.jsonl': expect.stringContaining('line 1'),
    });
    expect(readRecordedSet(folder, [RECORDING.api])).toMatchObject({ cases: [], unusable: { length: 3 } });
  });

  it('prints how many passed of each kind, and why the others did not', () => {
    const report = new ConformanceReport();
    const place = { provider: 'openai-compatible:host', api: 'chat.completions', kind: 'sse' };
    report.add('first', place, { problems: [], rules: new Map([['a rule', 2]]) });
    report.add('second', place, { problems: ['text is "a"', 'no finish'], rules: new Map([['a rule', 1]]) });
    const text = String(report);
    expect(text).toMatch(/openai-compatible +chat\.completions +sse +1\/2/);
    expect(text).toMatch(/second: text is "a"\s+no finish/);
    expect(text).toContain('a rule: 2 recordings, 3 times');
  });
});

/** What a careless gateway is: it relays whatever comes, and always ends it well. */
async function startLiar(upstreamUrl: string): Promise<{ gateway: GatewayUnderTest; close(): Promise<void> }> {
  const server = createServer((asked, response) => void relay(asked, response));
  async function relay(asked: IncomingMessage, response: ServerResponse): Promise<void> {
    const question: Buffer[] = [];
    for await (const piece of asked) question.push(piece as Buffer);
    const options = { method: 'POST', body: Buffer.concat(question), reset: true } as const;
    const answer = await request(`${upstreamUrl}/v1/chat/completions`, options);
    response.writeHead(answer.statusCode, { 'content-type': 'text/event-stream' });
    let told = '';
    try {
      for await (const piece of answer.body) {
        told += String(piece);
        response.write(piece);
      }
    } catch {
      // It looks away.
    }
    response.end(told.includes('[DONE]') ? '' : 'data: [DONE]\n\n');
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const openai = (): OpenAI => new OpenAI({ apiKey: 'any', baseURL: `${url}/v1`, maxRetries: 0 });
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { gateway: { url, key: 'any', openai }, close };
}
