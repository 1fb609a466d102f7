import type { ConfigSnapshot } from '../config/snapshot.js';
import type { CircuitState } from '../domain/observer.js';
import type { Provider, Target } from '../domain/target.js';
import type { HealthView } from './eligibility.js';

/** `unavailable`: a request for any of its targets would be refused now. `unconfigured`: it has no credential or address. */
export type ProviderState = 'available' | 'degraded' | 'unavailable' | 'unconfigured';

/** How a provider stands by what its last requests showed. Numbers only: no model, no address, no credential. */
export interface ProviderStatus {
  readonly name: string;
  readonly state: ProviderState;
  /** Its targets by the state of their circuit. */
  readonly circuits: Readonly<Record<CircuitState, number>>;
  /** Milliseconds until the last of its targets may be asked again that its rate limit holds back; null where none is. */
  readonly cooldownMs: number | null;
  /** Whether it refused every credential there is. */
  readonly isCredentialRefused: boolean;
  /** Whether it has as many requests as `max_concurrent` lets it have. */
  readonly isSaturated: boolean;
}

/** Of every provider in config order, from what is known already: nobody is asked. */
export function describeProviders(
  { providers, models }: Pick<ConfigSnapshot, 'providers' | 'models'>,
  health: HealthView,
  circuitOf: (target: Target) => CircuitState,
): readonly ProviderStatus[] {
  const targets = [...models.values()].flatMap(({ primaries, fallbacks }) => [...primaries, ...fallbacks]);
  return [...providers.values()].map((provider) =>
    describeProvider(
      provider,
      distinct(targets.filter((target) => target.provider.name === provider.name)),
      health,
      circuitOf,
    ),
  );
}

function describeProvider(
  provider: Provider,
  targets: readonly Target[],
  health: HealthView,
  circuitOf: (target: Target) => CircuitState,
): ProviderStatus {
  const circuits: Record<CircuitState, number> = { closed: 0, half_open: 0, open: 0 };
  for (const target of targets) circuits[circuitOf(target)]++;
  const cooldowns = targets.flatMap((target) => health.findCooldownMs(target) ?? []);
  const blocked = targets.filter(
    (target) => health.findCircuitPauseMs(target) !== null || health.findCooldownMs(target) !== null,
  );
  const isCredentialRefused = provider.configured && health.isCredentialRefused(provider);
  const hasTrouble = blocked.length > 0 || circuits.open + circuits.half_open > 0;
  const isBlocked = isCredentialRefused || (targets.length > 0 && blocked.length === targets.length);
  return {
    name: provider.name,
    state: !provider.configured ? 'unconfigured' : isBlocked ? 'unavailable' : hasTrouble ? 'degraded' : 'available',
    circuits,
    cooldownMs: cooldowns.length > 0 ? Math.max(...cooldowns) : null,
    isCredentialRefused,
    isSaturated: health.isSaturated(provider),
  };
}

/** Several aliases may name one target. */
function distinct(targets: readonly Target[]): readonly Target[] {
  return [...new Map(targets.map((target) => [target.id, target])).values()];
}
