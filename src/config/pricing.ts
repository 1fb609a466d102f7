import { computeCostNanoUsd, type Price } from '../domain/money.js';
import type { Target } from '../domain/target.js';
import type { TokenUsage } from '../domain/usage.js';
import type { ConfigSnapshot, PriceList } from './snapshot.js';

/** What a model costs at a provider; undefined where the list has no price for it. */
export function findPrice({ prices }: PriceList, provider: string, model: string): Price | undefined {
  return prices.get(`${provider}/${model}`);
}

/** What one call cost, in nano-USD, by the prices of its snapshot; null where the model has none there. */
export function priceRequest(
  { pricing }: Pick<ConfigSnapshot, 'pricing'>,
  provider: string,
  model: string,
  usage: TokenUsage,
): bigint | null {
  const price = findPrice(pricing, provider, model);
  return price ? computeCostNanoUsd(usage, price) : null;
}

/** The targets of all models that have no price; one that serves several models counts once. */
export function findUnpricedTargets(snapshot: Pick<ConfigSnapshot, 'models' | 'pricing'>): readonly Target[] {
  return targetsOf(snapshot).filter(({ provider, model }) => !findPrice(snapshot.pricing, provider.name, model));
}

/**
 * When the oldest price that a target has was looked up, in milliseconds since 1970; null where none is dated. A list
 * is as old as its oldest part: a new entry makes the others no younger.
 */
export function findOldestPriceMs(snapshot: Pick<ConfigSnapshot, 'models' | 'pricing'>): number | null {
  const days = targetsOf(snapshot).flatMap(
    ({ provider, model }) => findPrice(snapshot.pricing, provider.name, model)?.asOfMs ?? [],
  );
  return days.length > 0 ? Math.min(...days) : null;
}

function targetsOf({ models }: Pick<ConfigSnapshot, 'models'>): readonly Target[] {
  const targets = [...models.values()].flatMap(({ primaries, fallbacks }) => [...primaries, ...fallbacks]);
  return [...new Map(targets.map((target) => [target.id, target])).values()];
}
