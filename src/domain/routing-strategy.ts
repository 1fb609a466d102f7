import type { Target } from './target.js';

export const STRATEGY_NAMES = ['priority', 'weighted', 'least_latency'] as const;
export type StrategyName = (typeof STRATEGY_NAMES)[number];

/** Orders a model's primaries; its fallbacks follow them in config order. Chosen by `strategy` in models.yaml. */
export interface RoutingStrategy {
  readonly name: StrategyName;
  /** A new order of the same targets; never drops or adds one, and changes nothing: asking twice is free. */
  order(model: string, primaries: readonly Target[]): readonly Target[];
  /** A request is tried in this order. For strategies that remember whose turn it was. */
  advance?(model: string, ordered: readonly Target[]): void;
}
