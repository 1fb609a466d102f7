import { Injectable } from '@nestjs/common';
import type { RoutingStrategy } from '../../domain/routing-strategy.js';
import type { Target } from '../../domain/target.js';

/** `strategy: priority` in models.yaml, the default: the primaries in config order. */
@Injectable()
export class PriorityStrategy implements RoutingStrategy {
  readonly name = 'priority';

  order(_model: string, primaries: readonly Target[]): readonly Target[] {
    return primaries;
  }
}
