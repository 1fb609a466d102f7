import { Injectable } from '@nestjs/common';
import type { RoutingStrategy } from '../../domain/routing-strategy.js';
import type { Target } from '../../domain/target.js';

/**
 * `strategy: weighted` in models.yaml: smooth weighted round robin. Of every `sum of weights` requests each primary
 * comes first in exactly `weight` of them, spread evenly and not in bursts.
 */
@Injectable()
export class WeightedStrategy implements RoutingStrategy {
  readonly name = 'weighted';
  /** By model, then by target: how much a target is owed. Sums to zero over a model's targets. */
  private readonly credits = new Map<string, ReadonlyMap<string, number>>();

  order(model: string, primaries: readonly Target[]): readonly Target[] {
    if (primaries.length < 2) return primaries;
    const credits = this.credits.get(model);
    const owed = (target: Target) => (credits?.get(target.id) ?? 0) + target.weight;
    // A stable sort: equal credits keep the config's order.
    return primaries.toSorted((first, second) => owed(second) - owed(first));
  }

  advance(model: string, ordered: readonly Target[]): void {
    if (ordered.length < 2) return;
    const credits = this.credits.get(model);
    const total = ordered.reduce((sum, { weight }) => sum + weight, 0);
    this.credits.set(
      model,
      new Map(
        ordered.map(({ id, weight }, place) => [id, (credits?.get(id) ?? 0) + weight - (place === 0 ? total : 0)]),
      ),
    );
  }
}
