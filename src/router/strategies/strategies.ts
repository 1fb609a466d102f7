import { Injectable } from '@nestjs/common';
import type { RoutingStrategy, StrategyName } from '../../domain/routing-strategy.js';
import { LeastLatencyStrategy } from './least-latency.strategy.js';
import { PriorityStrategy } from './priority.strategy.js';
import { WeightedStrategy } from './weighted.strategy.js';

/** Every strategy that models.yaml may name. */
@Injectable()
export class RoutingStrategies {
  private readonly byName: Readonly<Record<StrategyName, RoutingStrategy>>;

  constructor(priority: PriorityStrategy, weighted: WeightedStrategy, leastLatency: LeastLatencyStrategy) {
    this.byName = { priority, weighted, least_latency: leastLatency };
  }

  get(name: StrategyName): RoutingStrategy {
    return this.byName[name];
  }
}
