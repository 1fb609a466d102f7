import type { LookupAddress } from 'node:dns';
import { systemClock } from '../../../src/domain/clock.js';
import { completionAnswer, ScriptableUpstream } from '../../support/scriptable-upstream.js';
import { eventually, expectError, FaultSite, target } from '../support/fault-site.js';
import { note } from '../support/notes.js';

type Answer = (error: NodeJS.ErrnoException | null, addresses?: LookupAddress[]) => void;

/** The system's resolver, for names that end in `.fault.test`; the others are its own business. */
const mockResolver: { resolve: (hostname: string, answer: Answer) => void } = { resolve: () => undefined };

jest.mock('node:dns', () => {
  const actual = jest.requireActual<typeof import('node:dns')>('node:dns');
  return {
    ...actual,
    lookup: (hostname: string, options: import('node:dns').LookupOneOptions, answer: Answer) =>
      hostname.endsWith('.fault.test')
        ? mockResolver.resolve(hostname, answer)
        : actual.lookup(hostname, options, answer as never),
  };
});

const site = new FaultSite();
/** A second address of this machine, where systems have one without being asked for it. */
const ELSEWHERE = process.platform === 'linux' ? { address: '127.0.0.2', family: 4 } : { address: '::1', family: 6 };
const HERE = { address: '127.0.0.1', family: 4 };

function pointTo(address: LookupAddress): void {
  mockResolver.resolve = (_hostname, answer) => process.nextTick(answer, null, [address]);
}

afterEach(() => jest.restoreAllMocks());

const realMonotonicMs = systemClock.monotonicMs.bind(systemClock);

/** From now on it is for the gateway as if this much time had passed since the test began. */
function advance(milliseconds: number): void {
  jest.spyOn(systemClock, 'monotonicMs').mockImplementation(() => realMonotonicMs() + milliseconds);
}

describe('the name of a provider', () => {
  it('row 27: does not exist: the next target answers', async () => {
    const second = await site.upstream();
    const gateway = await site.gateway([target({ url: 'http://provider.invalid' }), target(second)]);
    second.script(completionAnswer('good'));
    expect((await gateway.ask()).content).toBe('good');
    const labels = { provider: gateway.provider(0), outcome: 'connect' };
    expect(await gateway.metric('aegis_upstream_attempts_total', labels)).toBe(1);
  });

  it('row 27: does not exist, at the only target: 502 that does not name it', async () => {
    const gateway = await site.gateway([target({ url: 'http://provider.invalid' })], { max_attempts: 1 });
    const reply = await gateway.ask();
    expectError(reply, 502, 'upstream_error');
    expect(reply.text).not.toContain('provider.invalid');
  });

  it('row 27: is resolved slowly: 20 requests hold one worker thread, and other targets answer', async () => {
    let under = 0;
    let most = 0;
    const unanswered: Answer[] = [];
    mockResolver.resolve = (_hostname, answer) => {
      most = Math.max(most, ++under);
      unanswered.push(answer);
    };
    const second = await site.upstream();
    second.script(completionAnswer('good'));
    const slow = target({ url: 'http://slow.fault.test' }, { timeouts: { connect: '200ms' } });
    const gateway = await site.gateway([slow, target(second)]);
    const replies = await Promise.all(Array.from({ length: 20 }, () => gateway.ask()));
    expect(replies.map(({ content }) => content)).toEqual(Array(20).fill('good'));
    expect(most).toBe(1);
    note(`${most} look-up under way`);
    for (const answer of unanswered) answer(null, [HERE]);
  });

  it('row 27: and others besides it are resolved slowly: threads are left for other work', async () => {
    let most = 0;
    const unanswered = new Set<Answer>();
    mockResolver.resolve = (_hostname, answer) => {
      unanswered.add(answer);
      most = Math.max(most, unanswered.size);
    };
    const second = await site.upstream();
    second.script(completionAnswer('good'));
    const names = Array.from({ length: 6 }, (_, index) => `http://slow-${index}.fault.test`);
    const slow = names.map((url) => target({ url }, { timeouts: { connect: '100ms' } }));
    const gateway = await site.gateway([...slow, target(second)], { max_attempts: 7 });
    const replies = await Promise.all(Array.from({ length: 20 }, () => gateway.ask()));
    expect(replies.map(({ content }) => content)).toEqual(Array(20).fill('good'));
    // Node has four of them.
    expect(most).toBeLessThan(4);
    note(`${most} look-ups under way, of 4 threads`);
    for (const answer of unanswered) answer(null, [HERE]);
  });

  it('row 27: moves to another address: new connections go there within 10 s', async () => {
    const before = await site.upstream();
    const after = await ScriptableUpstream.start({ host: ELSEWHERE.address, port: before.port });
    site.onClose(() => after.close());
    before.script({ ...completionAnswer('before'), closeIdleAfterMs: 0 });
    after.script(completionAnswer('after'));
    const gateway = await site.gateway([target({ url: `http://moving.fault.test:${before.port}` })]);
    pointTo(HERE);
    expect((await gateway.ask()).content).toBe('before');
    pointTo(ELSEWHERE);
    expect((await gateway.ask()).content).toBe('before');
    advance(10_001);
    await eventually(async () => (await gateway.ask()).content === 'after');
  });

  it('row 27: moves to another address: even the busiest connection is renewed within 5 minutes', async () => {
    const before = await site.upstream();
    const after = await ScriptableUpstream.start({ host: ELSEWHERE.address, port: before.port });
    site.onClose(() => after.close());
    before.script(completionAnswer('before'));
    after.script(completionAnswer('after'));
    const gateway = await site.gateway([target({ url: `http://busy.fault.test:${before.port}` })]);
    pointTo(HERE);
    expect((await gateway.ask()).content).toBe('before');
    pointTo(ELSEWHERE);
    advance(60_000);
    expect((await gateway.ask()).content).toBe('before');
    advance(300_001);
    expect((await gateway.ask()).content).toBe('after');
    expect(before.connections).toBe(1);
  });
});
