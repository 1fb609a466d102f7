import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ChatCompletion, ChatCompletionRequest } from '../../../../src/domain/chat.js';
import { isLocalAdapter, type UpstreamRequest } from '../../../../src/domain/provider-adapter.js';
import { exampleOf } from '../../../../src/router/adapters/schema-example.js';
import { SimulatorAdapter } from '../../../../src/router/adapters/simulator.adapter.js';
import { loadOpenAiSchema } from '../../../support/openai-schema.js';
import { screened } from '../../../support/screened-requests.js';
import { CONTEXT, joinChunks, type TranslatedStream, translateStream } from '../../../support/streamed-answers.js';
import { targetOf } from '../../../support/targets.js';

const adapter = new SimulatorAdapter();
const schema = loadOpenAiSchema();

async function piecesOf(chat: Partial<ChatCompletionRequest>): Promise<Buffer[]> {
  const request: UpstreamRequest = adapter.buildRequest(screened(chat), targetOf('simulator'));
  const pieces: Buffer[] = [];
  for await (const piece of adapter.answer(request)) pieces.push(piece);
  return pieces;
}

async function ask(chat: Partial<ChatCompletionRequest>): Promise<ChatCompletion> {
  const { completion } = adapter.parseCompletion(Buffer.concat(await piecesOf(chat)), CONTEXT);
  expect(schema?.checkCompletion(completion) ?? []).toEqual([]);
  return completion;
}

async function askStream(chat: Partial<ChatCompletionRequest>): Promise<TranslatedStream> {
  return translateStream(adapter, await piecesOf({ ...chat, stream: true }));
}

const say = (content: string): Partial<ChatCompletionRequest> => ({ messages: [{ role: 'user', content }] });

const parameters = {
  type: 'object',
  properties: {
    city: { type: 'string', minLength: 6 },
    days: { type: 'integer', minimum: 2 },
    unit: { enum: ['C', 'F'] },
  },
  required: ['city', 'days', 'unit'],
};
const tools = [
  { type: 'function', function: { name: 'first' } },
  { type: 'function', function: { name: 'look_up', parameters } },
];

describe('the simulator', () => {
  it('answers inside the process', () => {
    expect(isLocalAdapter(adapter)).toBe(true);
  });

  it('gives the same answer to the same request, whole and streamed', async () => {
    const whole = await ask(say('Hello there'));
    expect(await ask(say('Hello there'))).toEqual(whole);
    expect(whole.choices[0]).toMatchObject({ message: { content: 'You said: Hello there' }, finish_reason: 'stop' });

    const { texts, error, usage } = await askStream(say('Hello there'));
    const joined = joinChunks(texts);
    expect([error, joined.faults]).toEqual([null, []]);
    expect(joined.choices[0]?.content).toBe(whole.choices[0]?.message.content);
    expect(joined.usage[0]).toEqual(whole.usage);
    expect(usage).toMatchObject({ promptTokens: 2, completionTokens: 4, totalTokens: 6 });
    for (const text of texts) expect(schema?.checkChunk(JSON.parse(text)) ?? []).toEqual([]);
  });

  it('takes its id and its time from the request, not from a clock', async () => {
    expect(await ask(say('a'))).toMatchObject({ id: 'chatcmpl-req-1', created: CONTEXT.createdSeconds });
  });

  it('ends at the limit, or at a stop sequence', async () => {
    const limited = await ask({ ...say('one two three'), max_completion_tokens: 3 });
    expect(limited.choices[0]).toMatchObject({ message: { content: 'You said: one' }, finish_reason: 'length' });
    expect(limited.usage?.completion_tokens).toBe(3);
    const stopped = await ask({ ...say('one two three'), stop: [' two'] });
    expect(stopped.choices[0]).toMatchObject({ message: { content: 'You said: one' }, finish_reason: 'stop' });
  });

  it('takes more stop sequences than a call takes arguments', async () => {
    const stop = Array.from({ length: 500_000 }, () => ' two');
    expect((await ask({ ...say('one two'), stop })).choices[0]?.message.content).toBe('You said: one');
  });

  it('gives as many choices as were asked for', async () => {
    const completion = await ask({ ...say('a'), n: 2 });
    expect(completion.choices.map(({ index }) => index)).toEqual([0, 1]);
    expect(joinChunks((await askStream({ ...say('a'), n: 2 })).texts)).toMatchObject({ faults: [], choices: [{}, {}] });
  });

  it.each([
    ['required', 'Hi', 'first'],
    [{ type: 'function', function: { name: 'look_up' } }, 'Hi', 'look_up'],
    ['auto', 'call look_up now', 'look_up'],
    [null, 'Call look_up', 'look_up'],
    ['none', 'call look_up', null],
    ['auto', 'Hi', null],
    ['auto', 'call nobody', null],
  ])('with tool choice %j and "%s" calls %s', async (tool_choice, content, expected) => {
    const completion = await ask({ ...say(content), tools, tool_choice });
    const called = completion.choices[0]?.message.tool_calls?.[0]?.function.name ?? null;
    expect(called).toBe(expected);
    expect(completion.choices[0]?.finish_reason).toBe(expected ? 'tool_calls' : 'stop');
    const { texts } = await askStream({ ...say(content), tools, tool_choice });
    expect(joinChunks(texts)).toMatchObject({ faults: [], choices: [{ tools: expected ? [{ name: expected }] : [] }] });
  });

  it('calls a tool with arguments its schema allows', async () => {
    const completion = await ask({ ...say('call look_up'), tools });
    const text = completion.choices[0]?.message.tool_calls?.[0]?.function.arguments ?? '';
    expect(new Ajv2020().validate(parameters, JSON.parse(text))).toBe(true);
  });

  it("answers a tool's result with text, so that an agent comes to an end", async () => {
    const completion = await ask({
      tools,
      messages: [
        { role: 'user', content: 'call look_up' },
        {
          role: 'assistant',
          tool_calls: [{ id: 'a', type: 'function', function: { name: 'look_up', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'a', content: 'Sunny' },
      ],
    });
    expect(completion.choices[0]?.message.content).toBe('The tool answered: Sunny');
  });

  it('answers in JSON of the schema that was asked for', async () => {
    const response_format = { type: 'json_schema', json_schema: { name: 'x', schema: parameters } };
    const completion = await ask({ ...say('a'), response_format: response_format as never });
    expect(new Ajv2020().validate(parameters, JSON.parse(completion.choices[0]?.message.content ?? ''))).toBe(true);
  });

  it.each([
    [400, 'caller'],
    [401, 'credential'],
    [429, 'rate_limited'],
    [500, 'transient'],
  ])('fails with status %i where it is asked to', async (status, disposition) => {
    await expect(ask(say(`Please [[error:${status}]]`))).rejects.toMatchObject({ disposition, fault: { status } });
    await expect(askStream(say(`Please [[error:${status}]]`))).rejects.toMatchObject({ disposition });
  });

  it('breaks off a stream where it is asked to', async () => {
    const { texts, error } = await askStream(say('[[cut:3]] one two three'));
    expect(joinChunks(texts).choices[0]).toMatchObject({ content: 'You said: one', finishReasons: [] });
    expect(error?.code).toBe('upstream_invalid_response');
  });

  it('says as many words as it is asked for, slowly where it is asked to', async () => {
    expect((await ask(say('[[words:50]]'))).usage?.completion_tokens).toBe(50);
    expect(joinChunks((await askStream(say('[[words:3]] [[slow:1ms]]'))).texts).choices[0]?.content).toBe(
      'word1 word2 word3',
    );
  });
});

describe('an example of a schema', () => {
  it.each([
    { type: 'string', maxLength: 2 },
    { type: 'string', format: 'date' },
    { type: 'number', exclusiveMinimum: 3 },
    { type: 'number', maximum: -5 },
    { type: 'integer', multipleOf: 7, minimum: 8 },
    { type: 'array', minItems: 2, items: { type: 'boolean' } },
    { type: ['null', 'string'] },
    { anyOf: [{ type: 'integer' }, { type: 'null' }] },
    { const: 'x' },
    {
      allOf: [
        { properties: { a: { type: 'integer' } }, required: ['a'] },
        { properties: { b: {} }, required: ['b'] },
      ],
      type: 'object',
    },
    {
      $defs: { leaf: { type: 'integer' } },
      type: 'object',
      properties: { a: { $ref: '#/$defs/leaf' } },
      required: ['a'],
    },
    { $defs: { node: { type: 'object', properties: { next: { $ref: '#/$defs/node' } } } }, $ref: '#/$defs/node' },
    {},
  ])('satisfies %j', (jsonSchema) => {
    expect(new Ajv2020({ strict: false, validateFormats: false }).validate(jsonSchema, exampleOf(jsonSchema))).toBe(
      true,
    );
  });

  it('ends where a schema contains itself without end', () => {
    const endless = { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] };
    expect(JSON.stringify(exampleOf(endless)).length).toBeLessThan(1000);
  });

  const names = Array.from({ length: 50_000 }, (_, index) => `name${index}`);
  it.each([
    ['items that are arrays of themselves', { type: 'array', minItems: 100, items: { $ref: '#' } }],
    [
      'many members that are itself',
      { required: names.slice(0, 100), properties: Object.fromEntries(names.map((name) => [name, { $ref: '#' }])) },
    ],
    ['many parts that are itself', { allOf: names.map(() => ({ $ref: '#' })), required: names.slice(0, 1_000) }],
    [
      'a long constant in many places',
      { type: 'array', minItems: 100, items: { type: 'array', minItems: 100, items: { const: 'x'.repeat(50_000) } } },
    ],
    ['long texts in many places', endlessTexts()],
  ])('of a schema that asks for a huge value with %s is small', (_name, jsonSchema) => {
    expect(JSON.stringify(exampleOf(jsonSchema)).length).toBeLessThan(2_000_000);
  });

  it('holds every member of a schema as large as people write them', () => {
    const properties = Object.fromEntries(
      names.slice(0, 2_000).map((name) => [name, { allOf: [{ type: 'string' }, { minLength: 6 }] }]),
    );
    const large = { type: 'object', properties, required: Object.keys(properties) };
    expect(exampleOf(large)).toEqual(Object.fromEntries(large.required.map((name) => [name, 'textxx'])));
  });
});

function endlessTexts(): object {
  const texts = { type: 'array', minItems: 100, items: { type: 'string', minLength: 10_000 } };
  return { type: 'array', minItems: 100, items: { type: 'array', minItems: 100, items: texts } };
}
