import type { Price } from '../../domain/money.js';
import type { Places } from '../places.js';
import type { Problems } from '../problem.js';
import type { PricingFile } from '../schema/pricing.config.js';
import type { PriceList } from '../snapshot.js';
import { suggest } from '../suggestion.js';
import type { ProvidersByName } from './provider.rules.js';

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
    const { provider, model, inputNanoUsd, outputNanoUsd } = entry;
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
    prices.set(name, {
      inputNanoUsd,
      cachedInputNanoUsd: entry.cachedInputNanoUsd ?? inputNanoUsd,
      cacheWriteNanoUsd: entry.cacheWriteNanoUsd ?? inputNanoUsd,
      outputNanoUsd,
    });
  }
  return { version: file.version, prices };
}
