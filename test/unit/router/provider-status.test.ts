import type { Provider, Target } from '../../../src/domain/target.js';
import { describeProviders } from '../../../src/router/provider-status.js';
import { targetOf } from '../../support/targets.js';

const one = targetOf('openai', { target: { id: 'openai/one', model: 'one' } });
const two: Target = { ...one, id: 'openai/two', model: 'two' };

/** How a provider with these two targets stands, where these are held back. */
function describeOne(
  trouble: {
    readonly open?: readonly Target[];
    readonly limited?: ReadonlyMap<Target, number>;
    readonly refused?: boolean;
    readonly saturated?: boolean;
    readonly provider?: Partial<Provider>;
  } = {},
) {
  const { open = [], limited = new Map<Target, number>(), refused = false, saturated = false } = trouble;
  const provider = { ...one.provider, ...trouble.provider };
  const route = (alias: string, primaries: readonly Target[]) =>
    ({ alias, displayName: alias, strategy: 'priority', primaries, fallbacks: [one] }) as const;
  return describeProviders(
    {
      providers: new Map([[provider.name, provider]]),
      // Two aliases name the same target.
      models: new Map([
        ['a', route('a', [one])],
        ['b', route('b', [two])],
      ]),
    },
    {
      isSaturated: () => saturated,
      isCredentialRefused: () => refused,
      findCircuitPauseMs: (target) => (open.includes(target) ? 1_000 : null),
      findCooldownMs: (target) => limited.get(target) ?? null,
    },
    (target) => (open.includes(target) ? 'open' : 'closed'),
  )[0];
}

describe('how a provider stands', () => {
  it('counts each of its targets once, however many aliases name it', () => {
    expect(describeOne()).toEqual({
      name: one.provider.name,
      state: 'available',
      circuits: { closed: 2, half_open: 0, open: 0 },
      cooldownMs: null,
      isCredentialRefused: false,
      isSaturated: false,
    });
  });

  it.each([
    [
      'degraded, where one target is left alone',
      { open: [one] },
      { state: 'degraded', circuits: { closed: 1, half_open: 0, open: 1 } },
    ],
    ['unavailable, where all are', { open: [one, two] }, { state: 'unavailable' }],
    [
      'unavailable, where one is and the other rests',
      { open: [one], limited: new Map([[two, 7_000]]) },
      { state: 'unavailable', cooldownMs: 7_000 },
    ],
    [
      'resting as long as the last of its targets',
      {
        limited: new Map([
          [one, 1_000],
          [two, 9_000],
        ]),
      },
      { state: 'unavailable', cooldownMs: 9_000 },
    ],
    [
      'unavailable, where it refused every credential',
      { refused: true },
      { state: 'unavailable', isCredentialRefused: true },
    ],
    [
      'available, where it has as many requests as it may',
      { saturated: true },
      { state: 'available', isSaturated: true },
    ],
    [
      'unconfigured, whatever else is known',
      { refused: true, provider: { configured: false } },
      { state: 'unconfigured', isCredentialRefused: false },
    ],
  ])('is %s', (_how, trouble, expected) => {
    expect(describeOne(trouble)).toMatchObject(expected);
  });
});
