import fc from 'fast-check';
import type { CostConfig } from '../../../src/config/schema/gateway.config.js';
import type { ModelRoute, PriceList } from '../../../src/config/snapshot.js';
import { admits, CLASSIFICATIONS, type Classification } from '../../../src/domain/classification.js';
import type { RoutingDecision } from '../../../src/domain/decision.js';
import type { Target } from '../../../src/domain/target.js';
import { decideTargets, type HealthView, printableName, refusalOf } from '../../../src/router/eligibility.js';
import { makeProvider, makeRoute, makeSnapshot, makeTarget } from '../../support/routing-fixtures.js';

const healthy: HealthView = {
  isSaturated: () => false,
  isCredentialRefused: () => false,
  findCircuitPauseMs: () => null,
  findCooldownMs: () => null,
};

function decide(
  route: ModelRoute,
  options: {
    level?: Classification;
    pricing?: PriceList;
    onMissingPricing?: CostConfig['onMissingPricing'];
    health?: Partial<HealthView>;
  } = {},
): RoutingDecision {
  const snapshot = makeSnapshot([route]);
  snapshot.gateway.cost.onMissingPricing = options.onMissingPricing ?? 'deny';
  return decideTargets({
    snapshot: { ...snapshot, pricing: options.pricing ?? snapshot.pricing },
    principal: null,
    level: options.level ?? 'INTERNAL',
    model: route.alias,
    health: { ...healthy, ...options.health },
    order: (_route, primaries) => primaries,
  });
}

const alpha = makeTarget(makeProvider({ name: 'alpha' }), { classificationCeiling: 'INTERNAL' });
const beta = makeTarget(makeProvider({ name: 'beta' }), { classificationCeiling: 'CONFIDENTIAL' });
const unpriced: PriceList = { version: 'none', prices: new Map() };

describe('which targets may serve a request', () => {
  it('are the primaries and then the fallbacks, in config order', () => {
    const decision = decide(makeRoute([beta], [alpha]));
    expect(decision.eligible).toEqual([beta, alpha]);
    expect(decision.verdicts.map(({ rejection }) => rejection)).toEqual([null, null]);
  });

  it('excludes a target below the level of the data', () => {
    const decision = decide(makeRoute([alpha], [beta]), { level: 'CONFIDENTIAL' });
    expect(decision.eligible).toEqual([beta]);
    expect(decision.verdicts).toEqual([
      { target: alpha, rejection: 'ceiling' },
      { target: beta, rejection: null },
    ]);
  });

  it('says of each excluded target why, and of an uncleared one nothing else', () => {
    const unconfigured = makeTarget(makeProvider({ name: 'gamma', configured: false }));
    const uncleared = makeTarget(makeProvider({ name: 'delta', configured: false }), {
      classificationCeiling: 'PUBLIC',
    });
    const route = makeRoute([alpha, unconfigured, uncleared, beta]);
    const decision = decide(route, { health: { isSaturated: ({ name }) => name === 'alpha' } });
    expect(decision.verdicts.map(({ rejection }) => rejection)).toEqual(['saturated', 'unconfigured', 'ceiling', null]);
  });

  it('needs a price only where the policy is to deny', () => {
    const route = makeRoute([alpha]);
    expect(decide(route, { pricing: unpriced }).verdicts[0]?.rejection).toBe('unpriced');
    expect(decide(route, { pricing: unpriced, onMissingPricing: 'flag' }).eligible).toEqual([alpha]);
    expect(decide(route, { pricing: unpriced, onMissingPricing: 'allow' }).eligible).toEqual([alpha]);
  });

  it('skips a refused credential while another target is left, and tries it where none is', () => {
    const refused = { isCredentialRefused: ({ name }: { name: string }) => name === 'alpha' };
    expect(decide(makeRoute([alpha], [beta]), { health: refused }).eligible).toEqual([beta]);
    expect(decide(makeRoute([alpha]), { health: refused }).eligible).toEqual([alpha]);
    const busy = { ...refused, isSaturated: ({ name }: { name: string }) => name === 'beta' };
    expect(decide(makeRoute([beta], [alpha]), { health: busy })).toMatchObject({ eligible: [], saturated: [beta] });
  });

  it('never includes one whose ceiling is below the level, whatever else holds', () => {
    const targets = fc.array(
      fc.record({
        ceiling: fc.constantFrom(...CLASSIFICATIONS),
        configured: fc.boolean(),
        priced: fc.boolean(),
        saturated: fc.boolean(),
        refused: fc.boolean(),
        circuitOpen: fc.boolean(),
        cooling: fc.boolean(),
        fallback: fc.boolean(),
      }),
      { maxLength: 8 },
    );
    const policy = fc.constantFrom<CostConfig['onMissingPricing']>('deny', 'flag', 'allow');
    fc.assert(
      fc.property(targets, fc.constantFrom(...CLASSIFICATIONS), policy, (facts, level, onMissingPricing) => {
        const made = facts.map((fact, index) => ({
          fact,
          target: makeTarget(makeProvider({ name: `p${index}`, configured: fact.configured }), {
            classificationCeiling: fact.ceiling,
          }),
        }));
        const factOf = (name: string) => facts[Number(name.slice(1))];
        const of = (fallback: boolean) =>
          made.filter(({ fact }) => fact.fallback === fallback).map(({ target }) => target);
        const route = makeRoute(of(false), of(true));
        const priced = made.filter(({ fact }) => fact.priced).map(({ target }) => target);
        const decision = decide(route, {
          level,
          onMissingPricing,
          pricing: makeSnapshot([makeRoute(priced)]).pricing,
          health: {
            isSaturated: ({ name }) => factOf(name)?.saturated === true,
            isCredentialRefused: ({ name }) => factOf(name)?.refused === true,
            findCircuitPauseMs: ({ provider }) => (factOf(provider.name)?.circuitOpen ? 1_000 : null),
            findCooldownMs: ({ provider }) => (factOf(provider.name)?.cooling ? 2_000 : null),
          },
        });
        expect(decision.saturated.every((target) => admits(target.classificationCeiling, level))).toBe(true);
        expect(decision.eligible.every((target) => admits(target.classificationCeiling, level))).toBe(true);
        expect(decision.verdicts).toHaveLength(facts.length);
        expect(new Set(decision.verdicts.filter(({ rejection }) => !rejection).map(({ target }) => target))).toEqual(
          new Set(decision.eligible),
        );
        for (const target of decision.eligible) {
          const fact = factOf(target.provider.name);
          expect(fact?.configured && !fact.saturated && (fact.priced || onMissingPricing !== 'deny')).toBe(true);
          expect(fact?.circuitOpen || fact?.cooling).toBe(false);
        }
      }),
    );
  });
});

describe('a request without an eligible target', () => {
  it('is denied by name and level where no target is cleared, configured or not', () => {
    const error = refusalOf(decide(makeRoute([alpha], [beta]), { level: 'RESTRICTED' }));
    expect(error).toMatchObject({ code: 'classification_denied', status: 403 });
    expect(error.message).toContain('aegis-test');
    expect(error.message).toContain('RESTRICTED');
  });

  it('is rate limited, until the first of its targets is not, where all of them are', () => {
    const health = { findCooldownMs: ({ id }: Target) => (id === alpha.id ? 7_000 : 3_000) };
    expect(refusalOf(decide(makeRoute([alpha], [beta]), { health }))).toMatchObject({
      code: 'upstream_rate_limited',
      status: 429,
      retryAfterMs: 3_000,
    });
  });

  it('is unavailable until the first circuit lets a request pass', () => {
    const health = {
      findCircuitPauseMs: ({ id }: Target) => (id === alpha.id ? 4_000 : null),
      findCooldownMs: () => 9_000,
    };
    expect(refusalOf(decide(makeRoute([alpha], [beta]), { health }))).toMatchObject({
      code: 'no_target_available',
      status: 503,
      retryAfterMs: 4_000,
    });
  });

  it('is unavailable for now where the cleared targets are not configured', () => {
    const route = makeRoute([makeTarget(makeProvider({ configured: false }))]);
    const error = refusalOf(decide(route));
    expect(error).toMatchObject({ code: 'no_target_available', status: 503 });
    expect(error.retryAfterMs).toBeGreaterThan(0);
  });

  it('says that a price is missing where only unpriced targets remain', () => {
    const route = makeRoute([alpha, makeTarget(makeProvider({ name: 'gamma', configured: false }))]);
    expect(refusalOf(decide(route, { pricing: unpriced }))).toMatchObject({ code: 'pricing_unknown', status: 402 });
  });

  it('is told to come back soon where the targets are busy', () => {
    const error = refusalOf(decide(makeRoute([alpha]), { health: { isSaturated: () => true } }));
    expect(error).toMatchObject({ code: 'overloaded', status: 503 });
    expect(error.retryAfterMs).toBeGreaterThan(0);
  });
});

describe('a model name in a message', () => {
  it('stays on one line and short', () => {
    expect(printableName('gpt-4o')).toBe('gpt-4o');
    expect(printableName('a\r\nset-cookie: b\u0000\u2028')).toBe('a??set-cookie: b??');
    expect(printableName('x'.repeat(1_000_000))).toHaveLength(65);
  });
});
