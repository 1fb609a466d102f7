import type { LookupAddress } from 'node:dns';
import fc from 'fast-check';
import type { ProviderAdapter } from '../../../src/domain/provider-adapter.js';
import { UpstreamError } from '../../../src/domain/upstream-error.js';
import { OpenAiAdapter } from '../../../src/router/adapters/openai.adapter.js';
import { createLookup } from '../../../src/router/address-lookup.js';
import { pauseBeforeRetryMs } from '../../../src/router/backoff.js';
import { conclude } from '../../../src/router/conclusion.js';
import { CredentialHealth } from '../../../src/router/credential-health.js';
import { ProviderRegistry } from '../../../src/router/provider.registry.js';
import { RetryBudget } from '../../../src/router/retry-budget.js';
import { TargetActivity } from '../../../src/router/target-activity.js';
import { timerMs } from '../../../src/router/upstream-call.js';
import { makeProvider, makeTarget } from '../../support/routing-fixtures.js';

describe('the provider registry', () => {
  it('finds the adapter of a provider type', () => {
    const adapter = new OpenAiAdapter();
    expect(new ProviderRegistry([adapter]).get('openai')).toBe(adapter);
  });

  it('refuses to start with two adapters of one type', () => {
    expect(() => new ProviderRegistry([new OpenAiAdapter(), new OpenAiAdapter()])).toThrow(
      'Two adapters claim provider type "openai"',
    );
  });

  it('names the type that no adapter speaks', () => {
    const adapters: ProviderAdapter[] = [new OpenAiAdapter()];
    expect(() => new ProviderRegistry(adapters).get('vllm')).toThrow('No adapter speaks provider type "vllm"');
  });
});

describe('the pause before a retry', () => {
  it('never exceeds its ceiling, never passes the deadline, never falls short of what the provider asked for', () => {
    fc.assert(
      fc.property(
        fc.nat(12),
        fc.option(fc.nat(20_000), { nil: undefined }),
        fc.nat(60_000),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (retry, askedMs, remainingMs, chance) => {
          const pauseMs = pauseBeforeRetryMs(retry, askedMs, remainingMs, () => chance);
          if (pauseMs === null) return;
          expect(pauseMs).toBeLessThan(remainingMs);
          expect(pauseMs).toBeGreaterThanOrEqual(askedMs ?? 0);
          expect(pauseMs - (askedMs ?? 0)).toBeLessThanOrEqual(Math.min(8_000, 250 * 2 ** retry));
        },
      ),
    );
  });

  it('is none where the provider asks for longer than a client should be kept waiting', () => {
    expect(pauseBeforeRetryMs(0, 30_000, 120_000, () => 0.5)).toBeNull();
  });
});

describe('the timer of a limit', () => {
  it('never ends before the limit, though timers may be a millisecond early', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (limitMs) => {
        expect(timerMs(limitMs) - 1).toBeGreaterThanOrEqual(limitMs);
      }),
    );
    expect(timerMs(-5)).toBe(1);
    expect(timerMs(1e12)).toBe(2 ** 31 - 1);
  });
});

describe('the retry budget', () => {
  it('lets a failing provider have one retry for every ten requests once the reserve is spent', () => {
    const budget = new RetryBudget();
    let retries = 0;
    for (let request = 0; request < 1_000; request++) {
      budget.earn('alpha');
      for (let retry = 0; retry < 3; retry++) if (budget.spend('alpha')) retries++;
    }
    expect(retries).toBeGreaterThanOrEqual(100);
    expect(retries).toBeLessThanOrEqual(106);
  });

  it('keeps one provider from using up the share of another', () => {
    const budget = new RetryBudget();
    for (let spent = 0; spent < 50; spent++) budget.spend('alpha');
    expect(budget.spend('beta')).toBe(true);
  });
});

describe('the conclusion after all targets have failed', () => {
  const alpha = makeTarget(makeProvider({ name: 'alpha' }));
  const beta = makeTarget(makeProvider({ name: 'beta' }));
  const decision = {
    model: 'aegis-test',
    level: 'INTERNAL',
    eligible: [alpha, beta],
    saturated: [],
    verdicts: [],
  } as const;
  const limited = (retryAfterMs?: number) =>
    new UpstreamError('rate_limited', 'slow down', { status: 429 }, retryAfterMs === undefined ? {} : { retryAfterMs });
  const broken = new UpstreamError('transient', 'broke', { status: 503 });

  it('is "rate limited" with the shortest pause where every target said so', () => {
    const failures = [
      { target: alpha, error: limited(9_000) },
      { target: beta, error: limited(4_000) },
    ];
    expect(conclude(failures, [alpha, beta], decision)).toMatchObject({
      code: 'upstream_rate_limited',
      status: 429,
      retryAfterMs: 4_000,
    });
  });

  it('is the other failure where one target failed otherwise', () => {
    const failures = [
      { target: alpha, error: broken },
      { target: beta, error: limited(4_000) },
    ];
    expect(conclude(failures, [alpha, beta], decision)).toMatchObject({ code: 'upstream_error', message: 'broke' });
  });

  it('asks clients not to try again what was tried more than once', () => {
    const once = [{ target: alpha, error: broken }];
    expect(conclude(once, [alpha], decision)?.retryable).toBe(true);
    expect(conclude([...once, ...once], [alpha], decision)?.retryable).toBe(false);
    const waits = [
      { target: alpha, error: limited(1_000) },
      { target: beta, error: limited(1_000) },
    ];
    expect(conclude(waits, [alpha, beta], decision)?.retryable).toBe(true);
  });

  it('counts the pause of a target that rests already', () => {
    const failures = [{ target: alpha, error: limited(9_000) }];
    const resting = {
      ...decision,
      verdicts: [{ target: beta, rejection: 'cooling_down', retryAfterMs: 2_000 }],
    } as const;
    expect(conclude(failures, [alpha], resting)).toMatchObject({ status: 429, retryAfterMs: 2_000 });
  });

  it('is not "rate limited" where a target was never asked', () => {
    const failures = [{ target: alpha, error: limited(4_000) }];
    expect(conclude(failures, [alpha, beta], decision)).toMatchObject({ status: 503, retryAfterMs: 4_000 });
  });
});

describe('a refused credential', () => {
  it('rests for a while and is forgotten by a reload', () => {
    let now = 0;
    const health = new CredentialHealth({ nowMs: () => now, monotonicMs: () => now });
    const provider = makeProvider();
    health.markRefused(provider, provider.credential);
    expect(health.isRefused(provider)).toBe(true);
    expect(health.isRefused(makeProvider())).toBe(false);
    now = 61_000;
    expect(health.isRefused(provider)).toBe(false);
  });
});

describe('the credentials at a provider', () => {
  const provider = makeProvider({ credential: 'one', credentials: ['one', 'two'] });
  const target = makeTarget(provider);
  const other = makeTarget(provider, { model: 'model-2' });
  let now = 0;
  const setUp = () => new CredentialHealth({ nowMs: () => now, monotonicMs: () => now });

  it('are used in their order, and a refused one rests everywhere', () => {
    const health = setUp();
    expect(health.find(target)).toBe('one');
    health.markRefused(provider, 'one');
    expect(health.find(target)).toBe('two');
    expect(health.find(other)).toBe('two');
    expect(health.isRefused(provider)).toBe(false);
    health.markRefused(provider, 'two');
    expect(health.find(target)).toBeNull();
    expect(health.isRefused(provider)).toBe(true);
    health.markAccepted(provider, 'one');
    expect(health.find(target)).toBe('one');
  });

  it('rest for one model where that is rate limited, until the first of them may be used', () => {
    now = 0;
    const health = setUp();
    health.markLimited(target, 'one', 5_000);
    expect(health.findCooldownMs(target)).toBeNull();
    health.markLimited(target, 'two', 3_000);
    expect(health.findCooldownMs(target)).toBe(3_000);
    expect(health.find(target)).toBeNull();
    expect(health.find(other)).toBe('one');
    now = 3_000;
    expect(health.findCooldownMs(target)).toBeNull();
    expect(health.find(target)).toBe('two');
  });
});

describe('the places at a provider', () => {
  it('are shared by its targets, and kept over a reload', () => {
    const activity = new TargetActivity({ nowMs: () => 0, monotonicMs: () => 0 });
    const before = makeProvider({ maxConcurrent: 2 });
    expect(activity.enter(makeTarget(before, { model: 'one' }))).toBe(true);
    expect(activity.enter(makeTarget(before, { model: 'two' }))).toBe(true);
    const after = makeProvider({ maxConcurrent: 2 });
    expect(activity.enter(makeTarget(after))).toBe(false);
    activity.leave(makeTarget(before, { model: 'one' }));
    expect(activity.enter(makeTarget(after))).toBe(true);
  });
});

describe('name resolution', () => {
  const addresses: LookupAddress[] = [{ address: '192.0.2.1', family: 4 }];

  function setUp() {
    const asked: string[] = [];
    const answers: ((error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void)[] = [];
    const clock = { now: 0 };
    const lookup = createLookup(
      (hostname, _options, answer) => {
        asked.push(hostname);
        answers.push(answer);
      },
      () => clock.now,
    );
    const find = (hostname: string) =>
      new Promise((resolve) => lookup(hostname, { all: true }, (error, found) => resolve(error ?? found)));
    return { asked, answers, clock, find };
  }

  it('asks once for all who wait for the same name', async () => {
    const { asked, answers, find } = setUp();
    const all = Promise.all(Array.from({ length: 20 }, () => find('provider.invalid')));
    answers[0]?.(null, addresses);
    expect(await all).toEqual(Array.from({ length: 20 }, () => addresses));
    expect(asked).toEqual(['provider.invalid']);
  });

  it('keeps an answer for a moment and then asks again', async () => {
    const { asked, answers, clock, find } = setUp();
    const first = find('provider.invalid');
    answers[0]?.(null, addresses);
    await first;
    expect(await find('provider.invalid')).toEqual(addresses);
    clock.now = 11_000;
    void find('provider.invalid');
    expect(asked).toHaveLength(2);
  });

  it('never keeps a failure', async () => {
    const { asked, answers, find } = setUp();
    const failed = find('provider.invalid');
    answers[0]?.(new Error('no such name'), []);
    expect(await failed).toBeInstanceOf(Error);
    void find('provider.invalid');
    expect(asked).toHaveLength(2);
  });
});
