/**
 * The providers of the soak, in a process of their own: three of them behind one port, by the first part of the path,
 * and a collector for OTLP. What is to be done stands in the prompt, `soak ID PLAN …`, so that nothing is to be agreed
 * on beforehand. They keep books: for each id what was asked of whom, and what was answered to its end.
 */
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const ASKED = /\bsoak (\S+) (\S+)/;
/** Events of a plain stream, and what is between them. */
const WORDS = 24;
const PACE_MS = 12;
const LARGE_PIECES = 160;
const LARGE_PIECE = 'lorem ipsum dolor sit amet '.repeat(300);
const SLOW_START_MS = 900;
/** Made here and now, so that no scanner takes this file for a leak. */
const CREDENTIAL = ['AKIA', 'Z7QX2MNBVCR4TKWD'].join('');

/** Attempts by the id of their request. */
const books = new Map();
const state = { isAway: new Set() };

const wordsOf = (plan) => {
  if (plan === 'large') return Array.from({ length: LARGE_PIECES }, () => LARGE_PIECE);
  const words = Array.from({ length: WORDS }, (_, index) => `word${index} `);
  if (plan === 'leak') words.splice(5, 0, `the key is ${CREDENTIAL} `);
  return words;
};

/** Different for each request, and known to nobody else. */
function countTokens(id) {
  const number = [...id].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 9_973, 7);
  return { prompt: 100 + (number % 400), completion: 10 + (number % 90) };
}

const openAi = {
  whole: ({ model, words, tokens }) => ({
    id: 'chatcmpl-soak',
    object: 'chat.completion',
    created: 1_700_000_000,
    model,
    choices: [
      { index: 0, message: { role: 'assistant', content: words.join(''), refusal: null }, finish_reason: 'stop' },
    ],
    usage: openAiUsage(tokens),
  }),
  events: ({ model, words, tokens }) => {
    const chunk = (choices, more = {}) =>
      `data: ${JSON.stringify({ id: 'chatcmpl-soak', object: 'chat.completion.chunk', created: 1_700_000_000, model, choices, ...more })}\n\n`;
    const choice = (delta, finish_reason = null) => [{ index: 0, delta, finish_reason }];
    return [
      chunk(choice({ role: 'assistant', content: '' })),
      ...words.map((content) => chunk(choice({ content }))),
      `${chunk(choice({}, 'stop'))}${chunk([], { usage: openAiUsage(tokens) })}data: [DONE]\n\n`,
    ];
  },
  error: (status) => ({ error: { message: `soak says ${status}`, type: 'soak_error', param: null, code: 'soak' } }),
};

function openAiUsage({ prompt, completion }) {
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

const anthropic = {
  whole: ({ model, words, tokens }) => ({
    ...anthropicMessage(model),
    content: [{ type: 'text', text: words.join('') }],
    stop_reason: 'end_turn',
    usage: { input_tokens: tokens.prompt, output_tokens: tokens.completion },
  }),
  events: ({ model, words, tokens }) => {
    const event = (value) => `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;
    const usage = { input_tokens: tokens.prompt, output_tokens: 1 };
    return [
      event({ type: 'message_start', message: { ...anthropicMessage(model), usage } }) +
        event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
      ...words.map((text) => event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })),
      event({ type: 'content_block_stop', index: 0 }) +
        event({
          type: 'message_delta',
          delta: { stop_reason: 'end_turn', stop_sequence: null },
          usage: { output_tokens: tokens.completion },
        }) +
        event({ type: 'message_stop' }),
    ];
  },
  error: (status) => ({ type: 'error', error: { type: 'api_error', message: `soak says ${status}` } }),
};

const anthropicMessage = (model) => ({
  id: 'msg_soak',
  type: 'message',
  role: 'assistant',
  model,
  content: [],
  stop_reason: null,
  stop_sequence: null,
});

const FORMATS = { alpha: openAi, beta: anthropic, gamma: openAi };

async function readBody(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}

/** What this attempt meets: `null` for an answer. */
function findTrouble(plan, turn) {
  const [kind, status] = plan.split('-');
  if (kind === 'fail') return Number(status);
  if (kind === 'flaky' && turn === 1) return Number(status);
  if (kind === 'silent' && turn === 1) return 'silent';
  return null;
}

function refuse(response, format, status) {
  const headers = { 'content-type': 'application/json', ...(status === 429 && { 'retry-after': '1' }) };
  response.writeHead(status, headers).end(JSON.stringify(format.error(status)));
}

async function answer(request, response, provider) {
  const body = JSON.parse(await readBody(request));
  const [, id = 'unknown', plan = 'ok'] = ASKED.exec(JSON.stringify(body.messages)) ?? [];
  const attempts = books.get(id) ?? [];
  books.set(id, attempts);
  const tokens = countTokens(id);
  const attempt = { provider, ...tokens, ending: 'open' };
  attempts.push(attempt);
  response.once('close', () => {
    if (attempt.ending === 'open') attempt.ending = 'left';
  });
  const format = FORMATS[provider];
  const trouble = findTrouble(plan, attempts.length);
  if (trouble === 'silent') return;
  if (trouble !== null) {
    attempt.ending = 'refused';
    refuse(response, format, trouble);
    return;
  }
  if (plan === 'slow') await sleep(SLOW_START_MS);
  const facts = { model: body.model, words: wordsOf(plan), tokens };
  if (body.stream === true) await stream(response, attempt, plan, format.events(facts));
  else
    end(response.writeHead(200, { 'content-type': 'application/json' }), attempt, JSON.stringify(format.whole(facts)));
}

/** Whole is what was handed to the system to the last byte. */
function end(response, attempt, bytes) {
  response.once('finish', () => {
    if (attempt.ending === 'open') attempt.ending = 'finished';
  });
  response.end(bytes);
}

async function stream(response, attempt, plan, events) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of events.slice(0, -1)) {
    if (response.destroyed) return;
    if (plan === 'cut' && event === events[12]) {
      attempt.ending = 'cut';
      response.destroy();
      return;
    }
    if (!response.write(event)) await Promise.race([drained(response), closed(response)]);
    await sleep(plan === 'large' ? 2 : PACE_MS);
  }
  if (!response.destroyed) end(response, attempt, events.at(-1));
}

const drained = (response) => new Promise((resolve) => response.once('drain', resolve));
const closed = (response) => new Promise((resolve) => response.once('close', resolve));

const server = createServer((request, response) => {
  response.on('error', () => undefined);
  const [, provider] = (request.url ?? '').split('/');
  if (provider === 'otlp') {
    request.resume().once('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
    return;
  }
  if (state.isAway.has(provider)) {
    request.socket.resetAndDestroy();
    return;
  }
  answer(request, response, provider).catch(() => response.destroy());
});
// Idle connections go soon: those that are left at the end were not idle.
server.keepAliveTimeout = 2_000;

process.on('message', ({ id, action, provider }) => {
  if (action === 'leave') state.isAway.add(provider);
  if (action === 'return') state.isAway.delete(provider);
  process.send({ id, result: action === 'books' ? [...books] : null });
});
process.once('disconnect', () => process.exit(0));
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
