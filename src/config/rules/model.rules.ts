import type { Target } from '../../domain/target.js';
import type { Places } from '../places.js';
import type { Problems } from '../problem.js';
import type { ModelConfig, ModelsFile, TargetConfig } from '../schema/models.config.js';
import type { ModelRoute } from '../snapshot.js';
import { suggest } from '../suggestion.js';
import type { ProvidersByName } from './provider.rules.js';

interface Context {
  /** Undefined where providers.yaml could not be read: what it holds is unknown then. */
  readonly providers: ProvidersByName | undefined;
  readonly places: Places;
  readonly problems: Problems;
}

/** models.yaml → what each alias stands for, in the file's order. */
export function buildModels(file: ModelsFile, context: Context): Map<string, ModelRoute> {
  const { places, problems } = context;
  if (file.models.size === 0 && places.has(file, 'models') && !problems.covers(places.of(file, 'models'))) {
    problems.add(places.of(file, 'models'), 'must hold at least one model');
  }
  return new Map([...file.models].map(([alias, config]) => [alias, buildModel(alias, config, context)]));
}

function buildModel(alias: string, config: ModelConfig, context: Context): ModelRoute {
  const { places, problems } = context;
  if (config.primary.length === 0 && places.has(config, 'primary') && !problems.covers(places.of(config, 'primary'))) {
    problems.add(places.of(config, 'primary'), 'must hold at least one target');
  }
  const isWeighted = config.strategy === 'weighted' || problems.covers(places.of(config, 'strategy'));
  for (const target of [...config.primary, ...config.fallback]) {
    if (target.weight === null) continue;
    const place = places.of(target, 'weight');
    if (config.fallback.includes(target)) problems.add(place, 'only primaries have a weight');
    else if (!isWeighted) problems.add(place, 'has no effect without "strategy: weighted"');
  }
  const lines = new Map<string, number>();
  const build = (target: TargetConfig): Target[] => {
    const id = idOf(target);
    const place = places.of(target);
    const line = lines.get(id);
    if (line !== undefined && target.provider !== '' && target.model !== '') {
      problems.add(place, `"${id}" is a target of this model already, on line ${line}`);
    }
    lines.set(id, place.line);
    return buildTarget(id, target, context);
  };
  return {
    alias,
    displayName: config.displayName ?? alias,
    strategy: config.strategy,
    primaries: config.primary.flatMap(build),
    fallbacks: config.fallback.flatMap(build),
  };
}

function buildTarget(id: string, config: TargetConfig, { providers, places, problems }: Context): Target[] {
  if (providers === undefined || config.provider === '') return [];
  const provider = providers.get(config.provider);
  if (provider === undefined) {
    const place = places.of(config, 'provider');
    const hint = place.shown === null ? '' : suggest(config.provider, providers.keys());
    problems.add(place, `providers.yaml has no provider ${place.shown ?? 'of this name'}${hint}`);
    return [];
  }
  if (provider === null) return [];
  if (provider.type === 'azure_openai' && !places.has(config, 'deployment')) {
    problems.add(
      places.of(config),
      `"deployment" is missing: Azure OpenAI serves "${config.model}" under a name you chose`,
    );
  } else if (provider.type !== 'azure_openai' && config.deployment !== null) {
    problems.add(
      places.of(config, 'deployment'),
      `only a target at Azure OpenAI has a deployment; this provider is ${provider.type}`,
    );
  }
  const { model, deployment, classificationCeiling, maxOutputTokens } = config;
  return [{ id, provider, model, deployment, classificationCeiling, weight: config.weight ?? 1, maxOutputTokens }];
}

/** The same model may stand in several deployments, each a target of its own. */
function idOf({ provider, model, deployment }: TargetConfig): string {
  return deployment === null ? `${provider}/${model}` : `${provider}/${model}/${deployment}`;
}
