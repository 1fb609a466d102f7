import { Choice, SectionList, SectionMap, Text, Usd, Whole } from './setting.js';

/** What a million tokens of each kind cost, in nano-USD. */
export class TokenPricesConfig {
  @Usd({ about: 'US dollars per million prompt tokens.', required: true })
  inputNanoUsd = 0n;

  @Usd({ about: "US dollars per million prompt tokens read from the provider's prompt cache; as input where absent." })
  cachedInputNanoUsd: bigint | null = null;

  @Usd({ about: "US dollars per million prompt tokens written to the provider's prompt cache; as input where absent." })
  cacheWriteNanoUsd: bigint | null = null;

  @Usd({
    about: 'US dollars per million prompt tokens written to that cache for an hour; as cache_write where absent.',
  })
  cacheWrite1hNanoUsd: bigint | null = null;

  @Usd({ about: 'US dollars per million completion tokens.', required: true })
  outputNanoUsd = 0n;

  @Usd({ about: 'US dollars per million completion tokens spent on reasoning; as output where absent.' })
  reasoningNanoUsd: bigint | null = null;
}

/** Prices of requests with long prompts. */
export class LongContextConfig extends TokenPricesConfig {
  @Whole({
    about: 'A request whose prompt has more tokens than this costs these prices, with all its tokens.',
    required: true,
    min: 1,
    max: 1_000_000_000,
  })
  aboveTokens = 0;
}

/** Prices in one service tier. */
export class TieredPricesConfig extends TokenPricesConfig {
  @SectionList(LongContextConfig, { about: 'What requests with long prompts cost instead.' })
  longContext: readonly LongContextConfig[] = [];
}

/** The tiers providers price apart. What has no price of its own costs what the model itself does. */
const SERVICE_TIERS = /^(flex|priority|fast|scale|batch)$/;

/** What a million tokens of one model cost. */
export class PriceConfig extends TieredPricesConfig {
  @Text({ about: 'Name of a provider in providers.yaml.', required: true })
  provider = '';

  @Text({ about: "The provider's own name for the model, as targets name it.", required: true })
  model = '';

  @SectionMap(TieredPricesConfig, {
    about: 'What requests cost that the provider says it served in another tier: flex, priority, fast, scale, batch.',
    names: SERVICE_TIERS,
  })
  serviceTiers: ReadonlyMap<string, TieredPricesConfig> = new Map();

  @Text({
    about: 'The day this price was looked up; tells how old it is.',
    pattern: /^\d{4}-\d{2}-\d{2}$/,
    mustBe: 'a day such as 2026-01-31',
  })
  asOf: string | null = null;

  @Text({ about: 'Where this price is published; for people only.' })
  source: string | null = null;
}

/** `pricing.yaml`. */
export class PricingFile {
  @Text({
    about: 'Name of this price list; every usage record keeps the one it was made from.',
    required: true,
    pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    mustBe: 'a name of letters, digits, ".", "_" and "-", such as 2026-01-31',
  })
  version = '';

  @Choice({ about: 'The currency of every price.', choices: ['USD'] })
  currency: 'USD' = 'USD';

  @SectionList(PriceConfig, { about: 'One entry for each provider and model.', required: true })
  prices: readonly PriceConfig[] = [];
}
