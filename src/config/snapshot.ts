import type { Price } from '../domain/money.js';
import type { StrategyName } from '../domain/routing-strategy.js';
import type { Provider, Target } from '../domain/target.js';
import type { Documents } from './extension.js';
import type { GatewayConfig } from './schema/gateway.config.js';

/** One alias clients may ask for. */
export interface ModelRoute {
  readonly alias: string;
  readonly displayName: string;
  readonly strategy: StrategyName;
  readonly primaries: readonly Target[];
  readonly fallbacks: readonly Target[];
}

/** `pricing.yaml`: dated data, so that a cost can always be traced to the prices it was made from. */
export interface PriceList {
  readonly version: string;
  /** By `provider/model`, the names of providers.yaml and of the target. */
  readonly prices: ReadonlyMap<string, Price>;
}

/**
 * All configuration at one moment, deeply frozen. A request keeps the snapshot it started with; a reload swaps the
 * whole thing.
 */
export interface ConfigSnapshot {
  /** SHA-256 over the files, first 12 hex digits: names this configuration in logs and health. */
  readonly version: string;
  readonly loadedAtMs: number;
  readonly gateway: GatewayConfig;
  readonly providers: ReadonlyMap<string, Provider>;
  /** In config order. */
  readonly models: ReadonlyMap<string, ModelRoute>;
  readonly pricing: PriceList;
  /** What other rooms made of files of their own, e.g. `secret-rules.yaml`; each by its name. */
  readonly documents: Documents;
}
