import type { Target } from './target.js';

export const STRATEGY_NAMES = ['priority', 'weighted', 'least_latency'] as const;
export type StrategyName = (typeof STRATEGY_NAMES)[number];

/** Orders a model's primaries; its fallbacks follow them in config order. Chosen by `strategy` in models.yaml. */
export interface RoutingStrategy {
  readonly name: StrategyName;
  /** A new order of the same targets; never drops or adds one. */
  order(model: string, primaries: readonly Target[]): readonly Target[];
}
