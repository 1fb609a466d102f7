import type { LongContextPrices, Price, TieredPrices, TokenPrices } from '../../domain/money.js';
import type { Places } from '../places.js';
import type { Problems } from '../problem.js';
import type { PriceConfig, PricingFile, TieredPricesConfig, TokenPricesConfig } from '../schema/pricing.config.js';
import type { PriceList } from '../snapshot.js';
import { suggest } from '../suggestion.js';
import type { ProvidersByName } from './provider.rules.js';

interface Context {
  readonly places: Places;
  readonly problems: Problems;
}

/** pricing.yaml → prices by `provider/model`. `providers` is undefined where providers.yaml could not be read. */
export function buildPricing(
  file: PricingFile,
  providers: ProvidersByName | undefined,
  places: Places,
  problems: Problems,
): PriceList {
  const prices = new Map<string, Price>();
  const lines = new Map<string, number>();
  for (const entry of file.prices) {
    const price = buildPrice(entry, { places, problems });
    const { provider, model } = entry;
    if (provider === '' || model === '') continue;
    const name = `${provider}/${model}`;
    const line = lines.get(name);
    if (line !== undefined) problems.add(places.of(entry), `"${name}" has a price already, on line ${line}`);
    lines.set(name, places.of(entry).line);
    if (providers !== undefined && !providers.has(provider)) {
      const place = places.of(entry, 'provider');
      const hint = place.shown === null ? '' : suggest(provider, providers.keys());
      problems.add(place, `providers.yaml has no provider ${place.shown ?? 'of this name'}${hint}`);
    }
    prices.set(name, price);
  }
  return { version: file.version, prices };
}

function buildPrice(entry: PriceConfig, context: Context): Price {
  return {
    ...buildTieredPrices(entry, context),
    serviceTiers: new Map([...entry.serviceTiers].map(([tier, config]) => [tier, buildTieredPrices(config, context)])),
    asOfMs: findDayMs(entry, context),
  };
}

function buildTieredPrices(config: TieredPricesConfig, { places, problems }: Context): TieredPrices {
  const lines = new Map<number, number>();
  const longContext: LongContextPrices[] = config.longContext.map((step) => {
    const { aboveTokens } = step;
    const line = lines.get(aboveTokens);
    if (line !== undefined && places.has(step, 'aboveTokens')) {
      problems.add(
        places.of(step, 'aboveTokens'),
        `prompts above ${aboveTokens} tokens have prices already, on line ${line}`,
      );
    }
    lines.set(aboveTokens, places.of(step).line);
    return { ...buildTokenPrices(step), aboveTokens };
  });
  return {
    ...buildTokenPrices(config),
    longContext: longContext.toSorted((one, other) => one.aboveTokens - other.aboveTokens),
  };
}

function buildTokenPrices(config: TokenPricesConfig): TokenPrices {
  const { inputNanoUsd, outputNanoUsd } = config;
  const cacheWriteNanoUsd = config.cacheWriteNanoUsd ?? inputNanoUsd;
  return {
    inputNanoUsd,
    cachedInputNanoUsd: config.cachedInputNanoUsd ?? inputNanoUsd,
    cacheWriteNanoUsd,
    cacheWrite1hNanoUsd: config.cacheWrite1hNanoUsd ?? cacheWriteNanoUsd,
    outputNanoUsd,
    reasoningNanoUsd: config.reasoningNanoUsd ?? outputNanoUsd,
  };
}

function findDayMs(entry: PriceConfig, { places, problems }: Context): number | null {
  const { asOf } = entry;
  if (asOf === null) return null;
  const dayMs = Date.parse(asOf);
  // Some engines take the 31st of February for a day of March.
  if (!Number.isNaN(dayMs) && new Date(dayMs).toISOString().startsWith(asOf)) return dayMs;
  problems.add(places.of(entry, 'asOf'), `${asOf} is no day of the calendar`);
  return null;
}
