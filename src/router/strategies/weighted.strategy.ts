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
    const before = this.credits.get(model);
    const owed = primaries.map((target) => ({ target, credit: (before?.get(target.id) ?? 0) + target.weight }));
    // A stable sort: equal credits keep the config's order.
    owed.sort((first, second) => second.credit - first.credit);
    const chosen = owed[0];
    if (chosen) chosen.credit -= primaries.reduce((sum, target) => sum + target.weight, 0);
    this.credits.set(model, new Map(owed.map(({ target, credit }) => [target.id, credit])));
    return owed.map(({ target }) => target);
  }
}
