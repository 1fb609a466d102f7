/**
 * What translating one event of a provider's stream costs: its bytes → the event stream's parser → the adapter → the
 * texts of the chunks, beside `JSON.parse` of the same events' data. Processor time alone: no socket, no gateway.
 */
import { AnthropicStream } from '../../dist/src/router/adapters/anthropic-stream.js';
import { OpenAiStream } from '../../dist/src/router/adapters/openai-stream.js';
import { SseParser } from '../../dist/src/router/sse.parser.js';

const EVENTS = 200;
const ROUNDS = 15;
const STREAMS_A_ROUND = 60;
const MAX_EVENT_BYTES = 1024 * 1024;
const WORDS = ['The', ' gateway', ' says', ' "yes"', ',', ' it', ' naïvely', ' agrees', '.\n', ' 🙂'];

const context = { requestedModel: 'bench', includeUsage: true, requestId: 'bench', createdSeconds: 1_700_000_000 };

const named = (event) => ({ data: JSON.stringify(event), name: event.type });

function anthropicEvents(block, deltaOf, stopReason) {
  const usage = { input_tokens: 25, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 1 };
  const message = { id: 'msg_01Bench', type: 'message', role: 'assistant', model: 'claude', content: [], usage };
  return [
    named({ type: 'message_start', message: { ...message, stop_reason: null, stop_sequence: null } }),
    named({ type: 'content_block_start', index: 0, content_block: block }),
    named({ type: 'ping' }),
    ...Array.from({ length: EVENTS }, (_, at) =>
      named({ type: 'content_block_delta', index: 0, delta: deltaOf(WORDS[at % WORDS.length]) }),
    ),
    named({ type: 'content_block_stop', index: 0 }),
    named({
      type: 'message_delta',
      delta: { stop_reason: stopReason, stop_sequence: null },
      usage: { output_tokens: EVENTS },
    }),
    named({ type: 'message_stop' }),
  ];
}

function openAiEvents() {
  const chunk = (delta, finish_reason = null, more = {}) => ({
    name: '',
    data: JSON.stringify({
      id: 'chatcmpl-bench',
      object: 'chat.completion.chunk',
      created: context.createdSeconds,
      model: 'gpt-bench-2026-01-01',
      service_tier: 'default',
      system_fingerprint: 'fp_bench',
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
      ...more,
    }),
  });
  return [
    chunk({ role: 'assistant', content: '' }),
    ...Array.from({ length: EVENTS }, (_, at) => chunk({ content: WORDS[at % WORDS.length] })),
    chunk({}, 'stop'),
    chunk(undefined, null, {
      choices: [],
      usage: { prompt_tokens: 25, completion_tokens: EVENTS, total_tokens: 25 + EVENTS },
    }),
    { name: '', data: '[DONE]' },
  ];
}

const CASES = [
  {
    name: 'Anthropic text, converted',
    open: () => new AnthropicStream(context),
    events: anthropicEvents({ type: 'text', text: '' }, (text) => ({ type: 'text_delta', text }), 'end_turn'),
  },
  {
    name: 'Anthropic tool, converted',
    open: () => new AnthropicStream(context),
    events: anthropicEvents(
      { type: 'tool_use', id: 'toolu_01Bench', name: 'write', input: {} },
      (partial_json) => ({ type: 'input_json_delta', partial_json }),
      'tool_use',
    ),
  },
  { name: 'OpenAI text, relayed', open: () => new OpenAiStream(context), events: openAiEvents() },
];

/** One event a piece, as they come from a provider that thinks between words. Returns the characters written. */
function translate({ open, pieces }) {
  const parser = new SseParser(MAX_EVENT_BYTES);
  const translator = open();
  let characters = 0;
  for (const piece of pieces) {
    for (const event of parser.push(piece)) {
      // What a gateway does with a chunk: the bytes of an event, made from its text.
      for (const text of translator.push(event)) characters += Buffer.byteLength(text);
    }
  }
  for (const text of translator.end()) characters += Buffer.byteLength(text);
  return characters;
}

/** Returns the number of parsed values, so that the work is of use. */
function parseBare({ texts }) {
  let values = 0;
  for (const text of texts) if (JSON.parse(text) !== null) values++;
  return values;
}

function microsecondsAnEvent(work, subject) {
  const startedAt = performance.now();
  for (let stream = 0; stream < STREAMS_A_ROUND; stream++) work(subject);
  return ((performance.now() - startedAt) * 1_000) / (STREAMS_A_ROUND * subject.pieces.length);
}

/** The first half of the rounds is for the compiler; of the others the quietest counts: the machine does more than this. */
const quietest = (rounds) => Math.min(...rounds.slice(ROUNDS));

/** Prints a line for each kind of stream: both figures come from the same run, turn by turn. */
export function measureTranslation() {
  for (const { name, open, events } of CASES) {
    const subject = {
      open,
      texts: events.map(({ data }) => data).filter((data) => data !== '[DONE]'),
      pieces: events.map(({ name: type, data }) => Buffer.from(`${type && `event: ${type}\n`}data: ${data}\n\n`)),
    };
    const translated = [];
    const parsed = [];
    for (let round = 0; round < 2 * ROUNDS; round++) {
      translated.push(microsecondsAnEvent(translate, subject));
      parsed.push(microsecondsAnEvent(parseBare, subject));
    }
    const cost = quietest(translated);
    const bare = quietest(parsed);
    console.log(
      `${name.padEnd(27)} ${cost.toFixed(2).padStart(5)} µs an event   JSON.parse alone ${bare.toFixed(2).padStart(5)} µs   ratio ${(cost / bare).toFixed(1)}`,
    );
  }
}
