import fc from 'fast-check';
import OpenAI from 'openai';
import { slices, translateStream } from '../../../support/streamed-answers.js';
import { adapter, events, HEAD } from './openai-wire.js';

/** What a client cares for in an answer. */
interface Told {
  readonly choices: readonly {
    readonly text: string;
    readonly refusal: string;
    readonly finish: string;
    readonly tools: readonly { readonly name: string; readonly arguments: unknown }[];
  }[];
  readonly usage: { readonly prompt: number; readonly completion: number } | null;
}

/** What the official SDK makes of the bytes of a stream; null where it cannot read them. */
async function readBySdk(bytes: Buffer): Promise<Told | null> {
  const answer = async (): Promise<Response> =>
    new Response(new Uint8Array(bytes), { headers: { 'content-type': 'text/event-stream' } });
  const client = new OpenAI({ apiKey: 'none', baseURL: 'http://upstream.test', maxRetries: 0, fetch: answer });
  const stream = client.chat.completions.stream({ model: 'm', messages: [] });
  const completion = await stream.finalChatCompletion().catch(() => null);
  return (
    completion && {
      choices: completion.choices.map(({ message, finish_reason: finish }) => ({
        text: message.content ?? '',
        refusal: message.refusal ?? '',
        finish,
        tools: (message.tool_calls ?? []).map((call) => ({
          name: call.function.name,
          arguments: call.function.arguments === '' ? {} : JSON.parse(call.function.arguments),
        })),
      })),
      usage: completion.usage
        ? { prompt: completion.usage.prompt_tokens, completion: completion.usage.completion_tokens }
        : null,
    }
  );
}

function cut(text: string, places: readonly number[]): string[] {
  const cuts = [0, ...places.map((place) => Math.min(place, text.length)).sort((a, b) => a - b), text.length];
  return cuts.slice(1).map((end, index) => text.slice(cuts[index], end));
}

const places = fc.array(fc.nat(80), { maxLength: 6 });
const words = fc.string({ unit: 'grapheme', maxLength: 60 });
const toolCall = fc.record({
  name: fc.constantFrom('look_up', 'add', 'a'),
  text: fc.oneof(
    fc.constant(''),
    fc
      .dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 })
      .map((value) => JSON.stringify(value)),
    fc.constantFrom(
      '{"a":{"a":{"a":1}}}',
      '{"a":[{"a":[{}]}]}',
      '{"{":1}',
      '{"a":"{\\"a\\":1}"}',
      '{"a":{"a":{}}}',
      '{ "x" : [ {}, {} ] }',
    ),
  ),
  cuts: places,
  startsEmpty: fc.boolean(),
  saysIdAgain: fc.boolean(),
});
const choice = fc.record({
  text: words,
  cuts: places,
  refusal: fc.option(words, { nil: '' }),
  tools: fc.array(toolCall, { maxLength: 3 }),
  finish: fc.constantFrom('stop', 'length', 'tool_calls', 'content_filter'),
  finishesWithText: fc.boolean(),
  saysRoleAgain: fc.boolean(),
});
const answer = fc.record({
  choices: fc.array(choice, { minLength: 1, maxLength: 3 }),
  usageAt: fc.constantFrom('never', 'first', 'last choice', 'own chunk', 'each'),
  empties: fc.boolean(),
  nulls: fc.boolean(),
  done: fc.boolean(),
  order: fc.infiniteStream(fc.nat(2)),
});
type Choice = typeof choice extends fc.Arbitrary<infer Value> ? Value : never;
type Answer = typeof answer extends fc.Arbitrary<infer Value> ? Value : never;

function deltasOf(said: Choice, index: number, nulls: boolean): object[] {
  const role = { role: 'assistant' };
  const deltas: object[] = [{ ...role, content: nulls ? null : '' }];
  for (const content of cut(said.text, said.cuts)) deltas.push({ ...(said.saysRoleAgain && role), content });
  if (said.refusal) deltas.push({ refusal: said.refusal });
  said.tools.forEach((tool, place) => {
    const id = `call_${index}_${place}`;
    const [first = '', ...rest] = tool.startsEmpty ? ['', ...cut(tool.text, tool.cuts)] : cut(tool.text, tool.cuts);
    const call = { index: place, id, type: 'function', function: { name: tool.name, arguments: first } };
    deltas.push({ tool_calls: [call], ...(nulls && { content: null }) });
    for (const piece of rest) {
      const again = tool.saysIdAgain ? { id, type: 'function' } : {};
      deltas.push({ tool_calls: [{ index: place, ...again, function: { arguments: piece } }] });
    }
  });
  return deltas;
}

function streamOf({ choices, usageAt, empties, nulls, done, order }: Answer): Buffer {
  const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
  const queues = choices.map((said, index) => {
    const deltas = deltasOf(said, index, nulls).map((delta) => ({
      index,
      delta,
      finish_reason: null as string | null,
    }));
    if (!said.finishesWithText) deltas.push({ index, delta: {}, finish_reason: null });
    const last = deltas.at(-1);
    if (last) last.finish_reason = said.finish;
    return deltas;
  });
  const chunks: Record<string, unknown>[] = [];
  while (queues.some((queue) => queue.length > 0)) {
    const wanted = queues[(order.next().value ?? 0) % queues.length];
    const next = (wanted?.length ? wanted : queues.find((queue) => queue.length > 0))?.shift();
    chunks.push({ ...HEAD, choices: [next] });
    if (empties && chunks.length % 3 === 0) chunks.push({ ...HEAD, choices: [] });
  }
  if (usageAt === 'first') Object.assign(chunks[0] ?? {}, { usage });
  if (usageAt === 'last choice') Object.assign(chunks.at(-1) ?? {}, { usage });
  if (usageAt === 'each')
    for (const [count, chunk] of chunks.entries()) chunk.usage = { ...usage, completion_tokens: count };
  if (usageAt === 'own chunk') {
    for (const chunk of chunks) chunk.usage = null;
    chunks.push({ ...HEAD, choices: [], usage });
  }
  return events(...chunks, ...(done ? ['[DONE]'] : []));
}

describe("a stream in OpenAI's format, read by the official SDK", () => {
  it('says the same before and after it has passed through, however it was cut', async () => {
    let read = 0;
    await fc.assert(
      fc.asyncProperty(answer, fc.integer({ min: 1, max: 400 }), async (generated, size) => {
        const bytes = streamOf(generated);
        const before = await readBySdk(bytes);
        const { texts, error } = translateStream(adapter, slices(bytes, size));
        expect(error).toBeNull();
        const after = await readBySdk(events(...texts, '[DONE]'));
        expect(after).not.toBeNull();
        if (before === null) return;
        read++;
        expect(after).toEqual(before);
      }),
      { numRuns: 400 },
    );
    // The comparison is worth something only where there was something to compare.
    expect(read).toBeGreaterThan(300);
  });
});
