import type { Places } from '../places.js';
import type { Problem } from '../problem.js';
import type { CostConfig } from '../schema/gateway.config.js';
import type { ModelsFile } from '../schema/models.config.js';
import type { PriceConfig, PricingFile } from '../schema/pricing.config.js';
import { formatDuration } from '../schema/units.js';
import type { PriceList } from '../snapshot.js';

interface Checked {
  readonly cost: CostConfig;
  readonly models: ModelsFile;
  readonly pricingFile: PricingFile;
  readonly pricing: PriceList;
  readonly nowMs: number;
}

const MOST_NAMED = 5;
/** A price list may be written a few time zones ahead of this machine. */
const DAY_MS = 86_400_000;

const WITHOUT_PRICE = {
  deny: 'this target is never used',
  flag: 'its calls are marked as unpriced, and count towards no budget',
  allow: 'its calls are let through, and count towards no budget',
} as const;

/** Targets that have no price, prices that no target has, and prices nobody looked up for long. */
export function findPriceWarnings(checked: Checked, places: Places): Problem[] {
  const { cost, models, pricingFile, pricing, nowMs } = checked;
  const warnings: Problem[] = [];
  const used = new Set<string>();
  for (const { primary, fallback } of models.models.values()) {
    for (const target of [...primary, ...fallback]) {
      const name = `${target.provider}/${target.model}`;
      used.add(name);
      if (pricing.prices.has(name)) continue;
      const effect = WITHOUT_PRICE[cost.onMissingPricing];
      const message = `pricing.yaml has no price for ${name}: ${effect} (cost.on_missing_pricing)`;
      warnings.push({ place: places.of(target, 'model'), message });
    }
  }

  const ages = (entry: PriceConfig): number => nowMs - (pricing.prices.get(nameOf(entry))?.asOfMs ?? nowMs);
  const unused = pricingFile.prices.filter((entry) => !used.has(nameOf(entry)));
  const early = pricingFile.prices.filter((entry) => ages(entry) < -DAY_MS);
  const { warnPriceAgeMs } = cost;
  const old = pricingFile.prices.filter((entry) => used.has(nameOf(entry)) && ages(entry) > warnPriceAgeMs);
  const warn = (entries: readonly PriceConfig[], message: string): void => {
    const [first] = entries;
    if (first) warnings.push({ place: places.of(first), message: `${message}: ${listNames(entries)}` });
  };
  warn(unused, 'no target of models.yaml has a use for these prices');
  warn(early, 'these prices were looked up on a day that is yet to come');
  if (warnPriceAgeMs > 0) {
    warn(old, `these prices were looked up more than ${formatDuration(warnPriceAgeMs)} ago (cost.warn_price_age)`);
  }
  return warnings;
}

function nameOf({ provider, model }: PriceConfig): string {
  return `${provider}/${model}`;
}

/** All of them in one line: a price list shared by many gateways holds hundreds. */
function listNames(entries: readonly PriceConfig[]): string {
  const named = entries
    .slice(0, MOST_NAMED)
    .map((entry) => (entry.asOf === null ? nameOf(entry) : `${nameOf(entry)} (${entry.asOf})`));
  const rest = entries.length - named.length;
  return rest > 0 ? `${named.join(', ')} and ${rest} more` : named.join(', ');
}
