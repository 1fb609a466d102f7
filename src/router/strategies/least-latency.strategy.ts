import { Inject, Injectable } from '@nestjs/common';
import type { RoutingStrategy } from '../../domain/routing-strategy.js';
import type { Target } from '../../domain/target.js';
import { RANDOM, type Random } from '../random.js';
import { TargetActivity } from '../target-activity.js';

/**
 * `strategy: least_latency` in models.yaml: of two primaries drawn at random the one expected to answer sooner comes
 * first, the rest follow by the same measure. Drawing two and not taking the best of all keeps every replica from
 * running to the same target at once.
 */
@Injectable()
export class LeastLatencyStrategy implements RoutingStrategy {
  readonly name = 'least_latency';

  constructor(
    private readonly activity: TargetActivity,
    @Inject(RANDOM) private readonly random: Random,
  ) {}

  order(_model: string, primaries: readonly Target[]): readonly Target[] {
    if (primaries.length < 2) return primaries;
    const ranked = primaries
      .map((target) => ({ target, cost: this.activity.expectedWaitMs(target.id) }))
      .sort((first, second) => first.cost - second.cost)
      .map(({ target }) => target);
    const one = Math.floor(this.random() * ranked.length);
    const other = (one + 1 + Math.floor(this.random() * (ranked.length - 1))) % ranked.length;
    // Ranked by cost already: of the two drawn the lower index is the better one.
    const [chosen] = ranked.splice(Math.min(one, other), 1);
    return chosen ? [chosen, ...ranked] : ranked;
  }
}
