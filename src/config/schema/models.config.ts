import { CLASSIFICATIONS, type Classification } from '../../domain/classification.js';
import { STRATEGY_NAMES, type StrategyName } from '../../domain/routing-strategy.js';
import { Choice, SectionList, SectionMap, Text, Whole } from './setting.js';

export class TargetConfig {
  @Text({ about: 'Name of a provider in providers.yaml.', required: true })
  provider = '';

  @Text({
    about: "The provider's own name for the model.",
    required: true,
    pattern: /^[\x21-\x7e]{1,256}$/,
    mustBe: "the provider's name for the model: 1 to 256 visible ASCII characters",
  })
  model = '';

  @Text({
    about: "Azure OpenAI's deployment name.",
    pattern: /^[A-Za-z0-9._-]{1,64}$/,
    mustBe: 'a deployment name: letters, digits, ".", "_" and "-"',
  })
  deployment: string | null = null;

  @Choice({ about: 'The most sensitive data this target may see.', required: true, choices: CLASSIFICATIONS })
  classificationCeiling: Classification = 'PUBLIC';

  @Whole({ about: 'Share among the primaries of a weighted model.', min: 1, max: 1_000_000 })
  weight: number | null = null;

  @Whole({ about: 'Largest answer in tokens that this target accepts.', min: 1, max: 10_000_000 })
  maxOutputTokens: number | null = null;
}

export class ModelConfig {
  @Text({ about: 'Name for people; the alias where absent.', pattern: /^[^\r\n]{1,200}$/, mustBe: 'one line of text' })
  displayName: string | null = null;

  @Choice({ about: 'Which of several primaries is tried first.', choices: STRATEGY_NAMES })
  strategy: StrategyName = 'priority';

  @SectionList(TargetConfig, { about: 'The target that serves this model, or several.', required: true, single: true })
  primary: readonly TargetConfig[] = [];

  @SectionList(TargetConfig, { about: 'Targets tried when no primary can serve, in this order.' })
  fallback: readonly TargetConfig[] = [];
}

/** `models.yaml`. */
export class ModelsFile {
  @SectionMap(ModelConfig, {
    about: 'The aliases clients may ask for, in the order /v1/models lists them.',
    required: true,
    names: /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/,
  })
  models: ReadonlyMap<string, ModelConfig> = new Map();
}
