import type { LookupAddress } from 'node:dns';
import type { Target } from '../../../src/domain/target.js';
import { OpenAiAdapter } from '../../../src/router/adapters/openai.adapter.js';
import { UpstreamClient } from '../../../src/router/upstream.client.js';
import { makeProvider, makeTarget } from '../../support/routing-fixtures.js';
import { brokenStreamAnswer, completionAnswer, type ScriptableUpstream } from '../../support/scriptable-upstream.js';
import { completionOf, RouterHarness, streamOf } from './router-harness.js';

let harness: RouterHarness;
let nowMs: number;
let address: string;
let questions: number;
let before: ScriptableUpstream;
let target: Target;

beforeEach(async () => {
  nowMs = 1_000_000;
  address = '127.0.0.1';
  questions = 0;
  const resolve = (
    _name: string,
    _options: unknown,
    answer: (error: null, addresses: LookupAddress[]) => void,
  ): void => {
    questions++;
    setImmediate(answer, null, [{ address, family: 4 }]);
  };
  const client = new UpstreamClient({ nowMs: () => nowMs, monotonicMs: () => nowMs }, resolve);
  harness = new RouterHarness([new OpenAiAdapter()], client);
  before = (await harness.startUpstream()).script(completionAnswer('before'));
  // The same port at another address: where the provider has moved to.
  (await harness.startUpstream({ host: '127.0.0.2', port: before.port })).script(completionAnswer('after'));
  target = makeTarget(makeProvider({ name: 'p0', baseUrl: `http://provider.test:${before.port}/v1` }));
});
afterEach(() => harness.close());

async function ask(): Promise<string | null | undefined> {
  const { completion } = await completionOf(harness.call([target]));
  // Until the connection can serve again.
  await new Promise((resolve) => setTimeout(resolve, 20));
  return completion.choices[0]?.message.content;
}

describe('a provider that moves to another address', () => {
  it('is followed by new connections within ten seconds', async () => {
    before.script({ ...completionAnswer('before'), headers: { connection: 'close' } });
    expect(await ask()).toBe('before');
    address = '127.0.0.2';
    nowMs += 9_000;
    expect(await ask()).toBe('before');
    expect(questions).toBe(1);
    nowMs += 1_001;
    expect(await ask()).toBe('after');
    expect(questions).toBe(2);
  });

  it('is followed within five minutes however busy its connections are', async () => {
    expect(await ask()).toBe('before');
    address = '127.0.0.2';
    for (let minute = 0; minute < 5; minute++) {
      nowMs += 60_000;
      expect(await ask()).toBe('before');
    }
    expect(before.connections).toBe(1);
    nowMs += 1;
    expect(await ask()).toBe('after');
    await (await before.request()).closed;
  });

  it('finishes the streams it has begun where it was', async () => {
    before.script(brokenStreamAnswer(['hello'], 'stall'));
    const stream = await streamOf(harness.call([target], { stream: true }));
    let isOver = false;
    const subscription = stream.chunks.subscribe({ error: () => (isOver = true), complete: () => (isOver = true) });
    address = '127.0.0.2';
    nowMs += 300_001;
    expect(await ask()).toBe('after');
    expect(isOver).toBe(false);
    subscription.unsubscribe();
    await (await before.request()).closed;
  });

  it('is left where its old address is gone', async () => {
    expect(await ask()).toBe('before');
    address = '127.0.0.2';
    nowMs += 10_001;
    await before.close();
    harness.upstreams.splice(harness.upstreams.indexOf(before), 1);
    expect(await ask()).toBe('after');
  });
});
