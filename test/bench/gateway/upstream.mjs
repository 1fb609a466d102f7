/**
 * The provider of the bench, in a process of its own: every answer lies ready as bytes, and the first part of the path
 * says which is wanted, so that a request is hardly looked at. Streams send each event by itself, as a provider does
 * that thinks between words: the events of all open streams are spread evenly over time.
 */
import { createServer } from 'node:net';
import { makeText } from './texts.mjs';

/** Events of a stream that are counted: its words. */
const WORDS_A_STREAM = 300;
/** Between two events of one stream. */
const PACE_MS = 5;
/** An open stream says something once a second, for as long as anybody listens. */
const SLOW_PACE_MS = 1_000;
const TICK_MS = 1;
const END_OF_CHUNKS = '0\r\n\r\n';
const END_OF_HEAD = Buffer.from('\r\n\r\n');

const created = 1_700_000_000;
const model = 'bench-2026-01-01';
const words = makeText(WORDS_A_STREAM * 8)
  .match(/\s*\S+/g)
  .slice(0, WORDS_A_STREAM);

function completion(bytes) {
  const usage = {
    prompt_tokens: 250,
    completion_tokens: Math.ceil(bytes / 4),
    total_tokens: 250 + Math.ceil(bytes / 4),
  };
  const answer = (content) =>
    JSON.stringify({
      id: 'chatcmpl-bench',
      object: 'chat.completion',
      created,
      model,
      choices: [
        { index: 0, message: { role: 'assistant', content, refusal: null }, logprobs: null, finish_reason: 'stop' },
      ],
      usage,
      service_tier: 'default',
      system_fingerprint: 'fp_bench',
    });
  const body = answer(makeText(Math.max(16, bytes - answer('').length)));
  const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return Buffer.from(head + body);
}

const STREAM_HEAD = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n',
);

/** An event as it goes over the wire: a chunk of its own. */
function frame(text, last = '') {
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n${last}`);
}

function openAiStream() {
  const event = (choices, more = {}) =>
    `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created, model, service_tier: 'default', system_fingerprint: 'fp_bench', choices, ...more })}\n\n`;
  const choice = (delta, finish_reason = null) => [{ index: 0, delta, logprobs: null, finish_reason }];
  const usage = { prompt_tokens: 250, completion_tokens: WORDS_A_STREAM, total_tokens: 250 + WORDS_A_STREAM };
  return [
    frame(event(choice({ role: 'assistant', content: '' }))),
    ...words.map((content) => frame(event(choice({ content })))),
    frame(event(choice({}, 'stop')) + event([], { usage })),
    frame('data: [DONE]\n\n', END_OF_CHUNKS),
  ];
}

function anthropicStream() {
  const event = (value) => `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;
  const usage = { input_tokens: 250, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 1 };
  const message = { id: 'msg_bench', type: 'message', role: 'assistant', model, content: [], stop_reason: null, usage };
  return [
    frame(event({ type: 'message_start', message: { ...message, stop_sequence: null } })),
    frame(event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } })),
    ...words.map((text) =>
      frame(event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })),
    ),
    frame(event({ type: 'content_block_stop', index: 0 })),
    frame(
      event({
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { output_tokens: WORDS_A_STREAM },
      }),
    ),
    frame(event({ type: 'message_stop' }), END_OF_CHUNKS),
  ];
}

const JSON_ANSWERS = new Map([1, 10, 100].map((kibibytes) => [`json-${kibibytes}`, completion(kibibytes * 1_024)]));
const openAi = openAiStream();
const anthropic = anthropicStream();
const STREAMS = new Map([
  ['sse-openai', { events: openAi, paceMs: PACE_MS, endless: false }],
  ['sse-anthropic', { events: anthropic, paceMs: PACE_MS, endless: false }],
  ['slow-openai', { events: openAi, paceMs: SLOW_PACE_MS, endless: true }],
  ['slow-anthropic', { events: anthropic, paceMs: SLOW_PACE_MS, endless: true }],
]);

/** Open streams by the turn at which each has its next event; as many turns as a pace has ticks. */
const wheels = new Map(
  [PACE_MS, SLOW_PACE_MS].map((paceMs) => [paceMs, Array.from({ length: paceMs / TICK_MS }, () => new Set())]),
);
let opened = 0;

function openStream(socket, { events, paceMs, endless }) {
  const wheel = wheels.get(paceMs);
  const turn = wheel[(opened++ * 7) % wheel.length];
  const stream = { socket, events, endless, at: 1, leave: () => turn.delete(stream) };
  socket.stream = stream;
  turn.add(stream);
  socket.write(Buffer.concat([STREAM_HEAD, events[0]]));
}

function sendNext(stream) {
  const { socket, events, endless } = stream;
  socket.write(events[stream.at]);
  stream.at += 1;
  // An endless one says its words again and again.
  if (endless && stream.at > WORDS_A_STREAM) stream.at = 3;
  if (stream.at === events.length) {
    stream.leave();
    socket.stream = null;
  }
}

let tick = 0;
let startedAt = performance.now();
setInterval(() => {
  // Ticks that came late are made up for, so that the pace holds.
  const due = Math.floor((performance.now() - startedAt) / TICK_MS);
  if (due - tick > 100) {
    startedAt = performance.now();
    tick = 0;
    return;
  }
  for (; tick < due; tick++) {
    for (const wheel of wheels.values()) for (const stream of wheel[tick % wheel.length]) sendNext(stream);
  }
}, TICK_MS);

function answer(socket, path) {
  const name = path.slice(1, path.indexOf('/', 1));
  const json = JSON_ANSWERS.get(name);
  if (json !== undefined) {
    socket.write(json);
    return;
  }
  const stream = STREAMS.get(name);
  if (stream !== undefined) openStream(socket, stream);
  else socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
}

const server = createServer({ noDelay: true }, (socket) => {
  let head = null;
  let path = '';
  /** Bytes of the body that are still to come; -1: it comes in chunks. */
  let left = 0;
  let tail = '';
  socket.on('data', (bytes) => {
    let piece = bytes;
    if (path === '') {
      if (head !== null) piece = Buffer.concat([head, piece]);
      const end = piece.indexOf(END_OF_HEAD);
      if (end < 0) {
        head = piece;
        return;
      }
      head = null;
      const text = piece.latin1Slice(0, end);
      path = text.slice(text.indexOf(' ') + 1, text.indexOf(' ', text.indexOf(' ') + 1));
      const length = /\r\ncontent-length: *(\d+)/i.exec(text);
      left = length ? Number(length[1]) : /\r\ntransfer-encoding: *chunked/i.test(text) ? -1 : 0;
      tail = '';
      piece = piece.subarray(end + 4);
    }
    if (left >= 0) {
      left -= piece.length;
      if (left > 0) return;
    } else {
      tail = (tail + piece.latin1Slice(Math.max(0, piece.length - END_OF_CHUNKS.length))).slice(-END_OF_CHUNKS.length);
      if (tail !== END_OF_CHUNKS) return;
    }
    const asked = path;
    path = '';
    answer(socket, asked);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => socket.stream?.leave());
});

server.listen({ port: 0, host: '127.0.0.1', backlog: 16_384 }, () =>
  process.send({ port: server.address().port, wordsAStream: WORDS_A_STREAM }),
);
process.once('disconnect', () => process.exit());
