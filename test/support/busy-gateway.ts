import { readFileSync } from 'node:fs';
import { request } from 'undici';
import type { Principal } from '../../src/domain/principal.js';
import { startTestGateway, type TestConfig, type TestGateway } from './gateway.js';
import type { TestRedis } from './redis.js';
import {
  brokenStreamAnswer,
  completionAnswer,
  errorAnswer,
  jsonAnswer,
  ScriptableUpstream,
  type ScriptedAnswer,
  streamAnswer,
} from './scriptable-upstream.js';

/** A gateway to which everything that its metrics tell of can be made to happen, again and again. */
export interface BusyGateway {
  readonly gateway: TestGateway;
  /** Once of everything: answers, streams, errors of every cause, refusals, findings, reloads. Takes two seconds. */
  wave(): Promise<void>;
  close(): Promise<void>;
}

const CEILING = { classification_ceiling: 'RESTRICTED' };
/** A rule and a text made to cost the filters more than a text of that length may. */
const COSTLY_RULE = `
  - {id: acme-badge, vendor: Acme, type: badge, severity: low, source: "https://acme.test/", anchors: [acme-],
     pattern: 'acme-[0-9]{3}', max_length: 8, context: {words: [badge], within: 4000},
     examples: {positive: ['badge acme-482']}}
`;
const COSTLY_TEXT = 'acme-482 '.repeat(20_000);
const WORDS = ['one', ' two', ' three', ' four'];
const CREDENTIAL = ['AKIA', 'Z7QX2MNBVCR4TKWD'].join('');

export async function startBusyGateway(redis: TestRedis): Promise<BusyGateway> {
  const good = (await ScriptableUpstream.start()).answerWith(answerWell);
  const bad = (await ScriptableUpstream.start()).script(errorAnswer(500));
  const moody = (await ScriptableUpstream.start()).answerWith((_request, index) =>
    index % 2 === 0 ? errorAnswer(503) : completionAnswer('at last'),
  );
  const slow = (await ScriptableUpstream.start()).script({ ...streamAnswer(WORDS), pieceDelayMs: 300 });
  const limited = (await ScriptableUpstream.start()).script(errorAnswer(429, 'slow down', { 'retry-after': '1' }));
  const locked = (await ScriptableUpstream.start()).script(errorAnswer(401));
  const cutting = (await ScriptableUpstream.start()).script(brokenStreamAnswer(['half', ' an'], 'cut'));
  const collector = (await ScriptableUpstream.start()).script(jsonAnswer(200, {}));

  const provider = ({ url }: ScriptableUpstream): object => ({
    type: 'openai',
    base_url: `${url}/v1`,
    api_key: 'credential',
  });
  const best = { provider: 'good', model: 'm', ...CEILING };
  const behind = (name: string): object => ({ primary: { ...best, provider: name }, fallback: [best] });
  const config: TestConfig = {
    gateway: {
      redis: { url: redis.url },
      telemetry: {
        metrics_host: '127.0.0.1',
        metrics_port: 0,
        log_level: 'silent',
        otlp_endpoint: collector.url,
      },
      cost: { on_missing_pricing: 'flag' },
      // Short, so that an open circuit is tried, and found as bad as before, in every wave.
      routing: { circuit_breaker: { open_for: '500ms', open_for_max: '1s' } },
    },
    rules: { 'secret-rules.yaml': readFileSync('config/secret-rules.yaml', 'utf8') + COSTLY_RULE },
    providers: Object.fromEntries(
      Object.entries({ good, bad, moody, slow, limited, locked, cutting }).map(([name, upstream]) => [
        name,
        provider(upstream),
      ]),
    ),
    models: {
      fast: { primary: best },
      public: { primary: { ...best, classification_ceiling: 'PUBLIC' } },
      lone: { primary: { provider: 'bad', model: 'lone', ...CEILING } },
      again: { primary: { ...best, provider: 'moody' } },
      long: { primary: { ...best, provider: 'slow' } },
      shaky: behind('bad'),
      crowded: behind('limited'),
      refused: behind('locked'),
      torn: { primary: { provider: 'cutting', model: 'm', ...CEILING } },
      gratis: { primary: { provider: 'good', model: 'unpriced', ...CEILING } },
    },
    prices: Object.fromEntries(
      ['good/m', 'bad/m', 'moody/m', 'slow/m', 'bad/lone', 'limited/m', 'locked/m', 'cutting/m'].map((name) => [
        name,
        { input: '100', output: '400', as_of: '2026-01-01' },
      ]),
    ),
  };
  const gateway = await startTestGateway(config);
  const mint = (changes: Partial<Principal>): Promise<string> => gateway.mintKey(changes);
  const keys = {
    core: gateway.key,
    research: await mint({ team: 'research' }),
    sparing: await mint({ team: 'sparing', budgetNanoUsd: 1n, budgetWindow: 'month' }),
    slow: await mint({ rpmLimit: 1 }),
  };

  const ask = (model: string, { key = keys.core, text = 'hello', ...rest }: Question = {}): Promise<void> =>
    send(gateway, key, { model, messages: [{ role: 'user', content: text }], ...rest });

  let wave = 0;
  return {
    gateway,
    wave: async () => {
      wave += 1;
      await Promise.all([
        ...Array.from({ length: 10 }, () => ask('fast')),
        ...Array.from({ length: 5 }, () => ask('fast', { stream: true, key: keys.research })),
        ...['again', 'shaky', 'crowded', 'refused', 'gratis', 'lone', 'lone'].map((model) => ask(model)),
        ask('torn', { stream: true }),
        ask('long', { stream: true }),
        leave(gateway),
        ask('fast', { text: `my key is ${CREDENTIAL}` }),
        ask('fast', { text: COSTLY_TEXT }),
        ask('public'),
        ask('nobody-has-this'),
        ask('fast', { key: gateway.unknownKey() }),
        ask('fast', { key: keys.sparing }),
        ask('fast', { key: keys.slow }),
        send(gateway, keys.core, { model: 'fast' }),
      ]);
      // One reload is applied and one refused; until the next wave the files are wrong.
      const limits = { on_store_failure: wave % 2 === 0 ? 'local' : 'open' };
      await gateway.reload({ ...config, gateway: { ...config.gateway, limits } });
      await gateway.reload({ ...config, models: { fast: 'nonsense' } });
    },
    close: async () => {
      await gateway.close();
      for (const upstream of [good, bad, moody, slow, limited, locked, cutting, collector]) await upstream.close();
    },
  };
}

interface Question {
  readonly key?: string;
  readonly text?: string;
  readonly stream?: boolean;
}

function answerWell(received: { json(): unknown }): ScriptedAnswer {
  const { stream } = received.json() as { stream?: boolean };
  if (stream) return { ...streamAnswer(WORDS), pieceDelayMs: 30 };
  const answer = JSON.parse(String(completionAnswer('an answer').body)) as { usage: object };
  const details = { prompt_tokens_details: { cached_tokens: 4 }, completion_tokens_details: { reasoning_tokens: 1 } };
  return { ...jsonAnswer(200, { ...answer, usage: { ...answer.usage, ...details } }), delayMs: 20 };
}

/** Sends a request and reads what comes to its end, whatever it is. */
async function send(gateway: TestGateway, key: string, body: object): Promise<void> {
  const answer = await request(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  // A stream that breaks closes its connection.
  await answer.body.text().catch(() => undefined);
}

/** A client that leaves in the middle of a stream. */
async function leave(gateway: TestGateway): Promise<void> {
  const leaving = new AbortController();
  const answer = await request(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'fast', stream: true, messages: [{ role: 'user', content: 'hello' }] }),
    signal: leaving.signal,
  });
  answer.body.once('data', () => leaving.abort());
  await answer.body
    .on('error', () => undefined)
    .toArray()
    .catch(() => undefined);
}
