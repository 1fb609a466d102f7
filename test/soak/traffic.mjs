/**
 * The clients: requests of every kind at a steady rate, each begun whether or not those before have ended, each with an
 * id of its own. What each client got is kept, and held against what its kind of request may get.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';

/** Put together here and now, so that no scanner takes this file for a leak. */
const CREDENTIAL = ['AKIA', 'Z7QX2MNBVCR4TKWD'].join('');
const UNKNOWN_KEYS = ['sk-nothing', 'aegis-prod-00000000000000000000000000000000', ''];
const MOST_OPEN = 400;
const FILLER = 'Please read the notes of the meeting and say what was decided, by whom, and until when. '.repeat(8);
const GONE = ['ECONNRESET', 'UND_ERR_SOCKET'];
const DEADLINE_MS = 60_000;
const NEEDED = ['plain', 'bounded', 'plain', 'bounded', 'plain', 'bounded', 'tight', 'poor'];

/** What a whole answer, a refusal and the rest may be, as `STATUS code`. Any request may be shed, or limited by its key. */
const UNAVAILABLE = [
  '503 no_target_available',
  '502 upstream_error',
  '504 upstream_timeout',
  '429 upstream_rate_limited',
];
const REFUSED = ['400 content_filter', '400 invalid_json', '401 invalid_api_key', '404 model_not_found'];
const LIMITED = {
  tight: ['429 rate_limit_exceeded', '429 concurrency_limit_exceeded'],
  poor: ['402 budget_exceeded', '429 rate_limit_exceeded'],
};

const plan = (weight, name, more = {}) => ({
  weight,
  name,
  models: ['chat', 'claude'],
  keys: ['plain', 'bounded'],
  streams: [true, false],
  leaveAfterMs: null,
  content: '',
  expected: ['whole'],
  ...more,
});

const PLANS = [
  plan(30, 'ok', { keys: NEEDED, streams: [false] }),
  plan(26, 'ok', { keys: NEEDED, streams: [true] }),
  plan(5, 'ok', { models: ['solo'] }),
  plan(4, 'leak'),
  plan(5, 'ok', { content: ` ${CREDENTIAL}`, expected: ['400 content_filter'] }),
  plan(2, 'ok', { content: ' write to jane.doe@example.org' }),
  plan(3, 'slow', { leaveAfterMs: () => 50 + Math.random() * 400, expected: ['left'] }),
  plan(5, 'ok', { streams: [true], leaveAfterMs: () => 40 + Math.random() * 250, expected: ['left', 'whole'] }),
  plan(3, 'cut', { models: ['solo'], streams: [true], expected: ['cut'] }),
  plan(3, 'flaky-500'),
  plan(2, 'flaky-529'),
  plan(1, 'flaky-429'),
  plan(1, 'flaky-503', { models: ['solo'] }),
  plan(1, 'fail-500', { expected: UNAVAILABLE }),
  plan(1, 'fail-400', { expected: ['400 soak', '400 null'] }),
  plan(1, 'silent'),
  plan(1, 'large', { streams: [true], isSlow: true }),
  plan(2, 'ok', { keys: [null], expected: ['401 invalid_api_key', '429 authentication_rate_limited'] }),
  plan(1, 'ok', { body: '{"model": "chat", "messages": [', expected: ['400 invalid_json'], streams: [false] }),
  plan(1, 'ok', { models: ['nobody'], expected: ['404 model_not_found'] }),
  plan(2, 'models', { streams: [false] }),
];
const WEIGHT = PLANS.reduce((sum, { weight }) => sum + weight, 0);

const pick = (list) => list[Math.floor(Math.random() * list.length)];

function pickPlan() {
  let left = Math.random() * WEIGHT;
  for (const one of PLANS) {
    left -= one.weight;
    if (left < 0) return one;
  }
  return PLANS[0];
}

export class Traffic {
  /** By id: what was asked, and what came of it. */
  asked = new Map();
  unexpected = [];
  millisecondsOfWhole = [];
  open = new Set();
  skipped = 0;
  repeated = 0;

  constructor(site, rate) {
    this.site = site;
    this.rate = rate;
  }

  /** Until `end`. */
  begin() {
    this.agent = new Agent({ connections: MOST_OPEN, keepAliveTimeout: 10_000, pipelining: 1 });
    this.isOver = false;
    this.running = this.run();
  }

  /** Nothing new is begun; once all that is open has ended, its connections are closed. */
  async end() {
    this.isOver = true;
    await this.running;
    await Promise.all(this.open);
    await this.agent.close();
  }

  async run() {
    let due = performance.now();
    while (!this.isOver) {
      due += (-Math.log(1 - Math.random()) * 1_000) / this.rate;
      const wait = due - performance.now();
      if (wait > 0) await sleep(wait);
      if (this.open.size >= MOST_OPEN) {
        this.skipped += 1;
        continue;
      }
      const asking = this.ask(pickPlan()).finally(() => this.open.delete(asking));
      this.open.add(asking);
    }
  }

  async ask(one) {
    const id = `s${this.asked.size + 1}`;
    const owner = pick(one.keys);
    const isStream = pick(one.streams);
    const facts = {
      plan: one.name,
      key: owner,
      isStream,
      expected: one.expected,
      ending: 'open',
      isAllowedToLeave: one.leaveAfterMs !== null,
    };
    this.asked.set(id, facts);
    const startedAt = performance.now();
    facts.ending = await this.send(id, one, owner === null ? pick(UNKNOWN_KEYS) : this.site.keys[owner].key, isStream);
    if (facts.ending === 'whole' && !isStream && one.name === 'ok')
      this.millisecondsOfWhole.push(performance.now() - startedAt);
    if (!this.isExpected(facts)) this.unexpected.push({ id, ...facts });
  }

  isExpected({ ending, expected, key }) {
    // Nobody refuses who has too much to do: a machine shared with others may be slow for a moment.
    if (expected.includes(ending) || ending === '503 overloaded') return true;
    if (LIMITED[key]?.includes(ending)) return true;
    // While a provider is away its circuits are open, and a model may have nobody left: for all that is sent on at all.
    return !expected.some((one) => REFUSED.includes(one)) && UNAVAILABLE.includes(ending);
  }

  /**
   * Once more where the connection was gone before a byte of an answer, as client libraries do: one that was opened for
   * a client that left at once, and never used, is closed after a while, perhaps just now. Had the gateway seen the
   * request, it would have two rows.
   */
  async dispatch(url, options) {
    try {
      return await request(url, options);
    } catch (problem) {
      if (!GONE.includes(problem.code) || options.signal.aborted) throw problem;
      this.repeated += 1;
      return request(url, options);
    }
  }

  /** `whole`, `cut`, `left`, or the status and code of a refusal. */
  async send(id, one, key, isStream) {
    const leaving = new AbortController();
    const leaveTimer = one.leaveAfterMs === null ? undefined : setTimeout(() => leaving.abort(), one.leaveAfterMs());
    const deadline = setTimeout(() => leaving.abort(new Error('late')), DEADLINE_MS);
    const isAboutModels = one.name === 'models';
    const body = {
      model: pick(one.models),
      max_tokens: 200,
      messages: [{ role: 'user', content: `soak ${id} ${one.name} ${FILLER}${one.content}` }],
      ...(isStream && { stream: true, stream_options: { include_usage: true } }),
    };
    try {
      const answer = await this.dispatch(`${this.site.url}/v1/${isAboutModels ? 'models' : 'chat/completions'}`, {
        method: isAboutModels ? 'GET' : 'POST',
        dispatcher: this.agent,
        signal: leaving.signal,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-request-id': id },
        ...(!isAboutModels && { body: one.body ?? JSON.stringify(body) }),
      });
      const text = one.isSlow ? await readSlowly(answer.body) : await answer.body.text();
      if (answer.statusCode !== 200) return `${answer.statusCode} ${JSON.parse(text).error.code}`;
      if (!isStream) return JSON.parse(text).object === undefined ? 'odd' : 'whole';
      return text.trimEnd().endsWith('data: [DONE]') ? 'whole' : 'cut';
    } catch (problem) {
      if (leaving.signal.aborted) return leaving.signal.reason.message === 'late' ? 'late' : 'left';
      return isStream && problem.code === 'UND_ERR_SOCKET' ? 'cut' : `failed: ${problem.code ?? problem.message}`;
    } finally {
      clearTimeout(leaveTimer);
      clearTimeout(deadline);
    }
  }
}

async function readSlowly(body) {
  let text = '';
  for await (const piece of body) {
    text += piece.toString();
    await sleep(20);
  }
  return text;
}
