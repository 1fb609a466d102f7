import { Choice, SectionList, Text, Usd } from './setting.js';

/** What a million tokens of one model cost, in nano-USD. */
export class PriceConfig {
  @Text({ about: 'Name of a provider in providers.yaml.', required: true })
  provider = '';

  @Text({ about: "The provider's own name for the model, as targets name it.", required: true })
  model = '';

  @Usd({ about: 'US dollars per million prompt tokens.', required: true })
  inputNanoUsd = 0n;

  @Usd({ about: "US dollars per million prompt tokens read from the provider's prompt cache; as input where absent." })
  cachedInputNanoUsd: bigint | null = null;

  @Usd({ about: "US dollars per million prompt tokens written to the provider's prompt cache; as input where absent." })
  cacheWriteNanoUsd: bigint | null = null;

  @Usd({ about: 'US dollars per million completion tokens.', required: true })
  outputNanoUsd = 0n;

  @Text({
    about: 'The day this price was looked up; for people only.',
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
