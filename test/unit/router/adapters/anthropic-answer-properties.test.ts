import fc from 'fast-check';
import { UpstreamError } from '../../../../src/domain/upstream-error.js';
import { AnthropicAdapter } from '../../../../src/router/adapters/anthropic.adapter.js';
import {
  type AnthropicEvent,
  type AnthropicFields,
  answerOf,
  block,
  delta,
  ending,
  eventBytes,
  messageStart,
  stop,
  streamOf,
  toldByAnswer,
  toldByStream,
} from '../../../support/anthropic-events.js';
import { loadOpenAiSchema } from '../../../support/openai-schema.js';
import { CONTEXT, joinChunks, slices, translateStream } from '../../../support/streamed-answers.js';

const adapter = new AnthropicAdapter();
const schema = loadOpenAiSchema();
const runs = { numRuns: 200 };

const words = fc.oneof(fc.string({ unit: 'binary', maxLength: 12 }), fc.string({ unit: 'grapheme', maxLength: 12 }));
const name = fc.stringMatching(/^[a-z]{1,8}$/);
const jsonObject = fc.dictionary(fc.oneof(name, fc.constant('__proto__')), fc.jsonValue(), { maxKeys: 3 });
const citation = fc.oneof(
  fc.record({ type: fc.constant('web_search_result_location'), url: fc.webUrl(), title: fc.option(words) }),
  fc.record({ type: fc.constant('search_result_location'), source: fc.oneof(fc.webUrl(), name), title: words }),
  fc.record({ type: fc.constant('char_location'), start_char_index: fc.nat() }),
);

/** Blocks as a whole message holds them. */
const anyBlock: fc.Arbitrary<AnthropicFields> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('text'), text: words }) },
  fc.record({ type: fc.constant('text'), text: words, citations: fc.array(citation, { maxLength: 3 }) }),
  fc.record({ type: fc.constant('thinking'), thinking: words, signature: words }),
  fc.record({ type: fc.constant('redacted_thinking'), data: words }),
  { weight: 3, arbitrary: fc.record({ type: fc.constant('tool_use'), id: name, name, input: jsonObject }) },
  fc.record({ type: fc.constant('server_tool_use'), id: name, name, input: jsonObject }),
  fc.record({ type: fc.constant('web_search_tool_result'), content: fc.jsonValue() }),
  fc.record({ type: fc.constant('hologram'), text: words }),
);

/** How a message is told as a stream: where its texts are cut, and what stands between. */
const anyTelling = fc.record({
  pieceLength: fc.integer({ min: 1, max: 5 }),
  parallelTools: fc.boolean(),
  noise: fc.array(fc.constantFrom({ type: 'ping' }, { type: 'content_block_magic', index: 0 }), { maxLength: 3 }),
});
type Telling = typeof anyTelling extends fc.Arbitrary<infer Value> ? Value : never;

const STOP_REASON = fc.constantFrom('end_turn', 'max_tokens', 'stop_sequence', 'tool_use', 'pause_turn', 'new', null);

function pieces(text: string, length: number): string[] {
  return Array.from({ length: Math.ceil(text.length / length) }, (_, at) => text.slice(at * length, (at + 1) * length));
}

/** One block's events but the last, which ends it. */
function tellBlock(fields: AnthropicFields, index: number, { pieceLength }: Telling): AnthropicEvent[] {
  switch (fields.type) {
    case 'text': {
      const texts = pieces(String(fields.text), pieceLength).map((text) => delta(index, { type: 'text_delta', text }));
      const citations = Array.isArray(fields.citations) ? fields.citations : [];
      const cited = citations.map((each: unknown) => delta(index, { type: 'citations_delta', citation: each }));
      return [block(index, { type: 'text', text: '' }), ...cited, ...texts];
    }
    case 'thinking':
      return [
        block(index, { type: 'thinking', thinking: '', signature: '' }),
        ...pieces(String(fields.thinking), pieceLength).map((thinking) =>
          delta(index, { type: 'thinking_delta', thinking }),
        ),
        ...pieces(String(fields.signature), 7).map((signature) => delta(index, { type: 'signature_delta', signature })),
      ];
    case 'tool_use':
    case 'server_tool_use': {
      const input = JSON.stringify(fields.input);
      const given = input === '{}' ? [] : pieces(input, pieceLength);
      return [
        block(index, { ...fields, input: {} }),
        ...given.map((partial_json) => delta(index, { type: 'input_json_delta', partial_json })),
      ];
    }
    default:
      return [block(index, fields)];
  }
}

/** Turn by turn, each from its own beginning. */
function interleave(runsOfEvents: readonly AnthropicEvent[][]): AnthropicEvent[] {
  const longest = Math.max(0, ...runsOfEvents.map((events) => events.length));
  return Array.from({ length: longest }, (_, at) => runsOfEvents.flatMap((events) => events.slice(at, at + 1))).flat();
}

function tell(content: readonly AnthropicFields[], stopReason: string | null, telling: Telling): AnthropicEvent[] {
  const told = content.map((fields, index) => [...tellBlock(fields, index, telling), stop(index)]);
  const isTool = (index: number): boolean => content[index]?.type === 'tool_use';
  const events: AnthropicEvent[] = [];
  for (let index = 0; index < told.length; ) {
    let end = index + 1;
    while (telling.parallelTools && isTool(index) && isTool(end)) end++;
    events.push(...interleave(told.slice(index, end)), ...telling.noise);
    index = end;
  }
  return [...events, ...ending(stopReason, { output_tokens: 5 })];
}

const usage = { input_tokens: 10, output_tokens: 5 };

describe("Anthropic's answer, whatever it holds", () => {
  it('says the same whole and as a stream', () => {
    fc.assert(
      fc.property(fc.array(anyBlock, { maxLength: 8 }), STOP_REASON, anyTelling, (content, stop_reason, telling) => {
        const whole = answerOf({ content, stop_reason, usage });
        const { texts, error } = streamOf(tell(content, stop_reason, telling));
        expect(error).toBeNull();
        expect(joinChunks(texts).faults).toEqual([]);
        expect(joinChunks(texts).usage).toHaveLength(1);
        expect(toldByStream(texts)).toEqual(toldByAnswer(whole));
        if (!schema) return;
        expect(schema.checkCompletion(whole.completion)).toEqual([]);
        for (const text of texts) expect(schema.checkChunk(JSON.parse(text))).toEqual([]);
      }),
      runs,
    );
  });

  it('loses no word, no call and no signature', () => {
    fc.assert(
      fc.property(fc.array(anyBlock, { maxLength: 8 }), anyTelling, (content, telling) => {
        const told = toldByStream(streamOf(tell(content, 'end_turn', telling)).texts);
        const of = (type: string): AnthropicFields[] => content.filter((fields) => fields.type === type);
        expect(told.content).toBe(
          of('text')
            .map(({ text }) => text)
            .join(''),
        );
        expect(told.reasoning).toBe(
          of('thinking')
            .map(({ thinking }) => thinking)
            .join(''),
        );
        expect(told.tools).toEqual(
          of('tool_use').map((call) => ({ id: call.id, name: call.name, arguments: JSON.stringify(call.input) })),
        );
        expect(told.thinkingBlocks ?? []).toEqual(content.filter(({ signature, data }) => signature || data));
        for (const { url_citation: cited } of told.annotations ?? []) {
          const span = Array.from(told.content).slice(cited.start_index, cited.end_index).join('');
          expect(of('text').map(({ text }) => text)).toContain(span);
        }
      }),
      runs,
    );
  });

  it('is the same however its bytes are split, and broken wherever it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(anyBlock, { maxLength: 5 }),
        anyTelling,
        fc.integer({ min: 1, max: 40 }),
        (content, telling, size) => {
          const events = [messageStart(), ...tell(content, 'end_turn', telling)];
          const { texts } = translateStream(adapter, [eventBytes(events)]);
          expect(translateStream(adapter, slices(eventBytes(events), size)).texts).toEqual(texts);
          for (let count = 0; count < events.length; count++) {
            const cut = translateStream(adapter, [eventBytes(events.slice(0, count))]);
            expect(cut.error).toBeInstanceOf(UpstreamError);
            expect(joinChunks(cut.texts).choices.flatMap(({ finishReasons }) => finishReasons)).toEqual([]);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});

/** Puts a value somewhere into another: at one of its keys, or in its place. */
function disturb(value: unknown, path: readonly number[], replacement: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined || typeof value !== 'object' || value === null) return replacement;
  const keys = Object.keys(value);
  const key = keys[step % Math.max(1, keys.length)];
  if (key === undefined) return replacement;
  const copy: Record<string, unknown> = Array.isArray(value)
    ? Object.assign([], value)
    : Object.defineProperties({}, Object.getOwnPropertyDescriptors(value));
  const disturbed = disturb(copy[key], rest, replacement);
  Object.defineProperty(copy, key, { value: disturbed, enumerable: true, configurable: true, writable: true });
  return copy;
}

const disturbance = fc.record({
  at: fc.nat(),
  path: fc.array(fc.nat(20), { maxLength: 4 }),
  replacement: fc.oneof(
    fc.jsonValue(),
    fc.constantFrom('', 0, -1, true, null, 'tool_use', 'text', 'thinking', 'error', [], {}, [[1]], 1e308),
  ),
});

/** An answer that holds everything, so that there is much to disturb. */
const RICH = [
  { type: 'thinking', thinking: 'Hm', signature: 's' },
  { type: 'redacted_thinking', data: 'd' },
  { type: 'text', text: 'Hi', citations: [{ type: 'web_search_result_location', url: 'https://a.test/', title: 'T' }] },
  { type: 'tool_use', id: 'a', name: 'look', input: { x: 12 } },
  { type: 'tool_use', id: 'b', name: 'aegis_json_answer', input: { y: 1 } },
  { type: 'server_tool_use', id: 'c', name: 'search', input: { y: 1 } },
];

describe("Anthropic's answer, disturbed", () => {
  const check = (act: () => void): void => {
    try {
      act();
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(UpstreamError);
    }
  };

  it('is an answer by OpenAI’s schema, or an error of the provider', () => {
    const message = {
      content: RICH,
      stop_reason: 'tool_use',
      usage,
      stop_details: { type: 'refusal', explanation: 'N' },
    };
    fc.assert(
      fc.property(fc.array(disturbance, { maxLength: 3 }), (all) => {
        const body = all.reduce<unknown>((value, { path, replacement }) => disturb(value, path, replacement), message);
        check(() => {
          const { completion } = adapter.parseCompletion(Buffer.from(JSON.stringify(body) ?? ''), CONTEXT);
          if (schema) expect(schema.checkCompletion(JSON.parse(JSON.stringify(completion)))).toEqual([]);
        });
      }),
      { numRuns: 1_000 },
    );
  });

  it('streams chunks by OpenAI’s schema, in order, up to an error of the provider', () => {
    const telling = { pieceLength: 2, parallelTools: true, noise: [] };
    const events: readonly unknown[] = [messageStart(usage), ...tell(RICH, 'tool_use', telling)];
    fc.assert(
      fc.property(
        fc.array(disturbance, { maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 3 }),
        fc.boolean(),
        (all, moves, expectsJson) => {
          const sent = [...events];
          for (const { at, path, replacement } of all) {
            sent[at % sent.length] = disturb(sent[at % sent.length], path, replacement);
          }
          for (const [from, to] of moves) sent.splice(to % sent.length, 0, sent[from % sent.length]);
          const bytes = Buffer.from(sent.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''));
          const { texts, error } = translateStream(adapter, [bytes], { ...CONTEXT, expectsJson });
          if (!error) expect(joinChunks(texts).faults).toEqual([]);
          for (const text of texts) if (schema) expect(schema.checkChunk(JSON.parse(text))).toEqual([]);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
