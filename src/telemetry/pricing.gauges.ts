import { Inject, Injectable } from '@nestjs/common';
import type { Gauge } from 'prom-client';
import { findOldestPriceMs, findUnpricedTargets } from '../config/pricing.js';
import { SnapshotService } from '../config/snapshot.service.js';
import { metricToken } from './metrics.js';

/** What the prices in use leave out, and how old they are; worked out at each scrape, since age needs no event to grow. */
@Injectable()
export class PricingGauges {
  constructor(
    private readonly snapshots: SnapshotService,
    @Inject(metricToken('unpricedTargets')) unpricedTargets: Gauge,
    @Inject(metricToken('pricingAge')) pricingAge: Gauge,
  ) {
    // prom-client asks a metric that has a `collect` just before it reads it.
    Object.assign(unpricedTargets, {
      collect: () => unpricedTargets.set(findUnpricedTargets(this.snapshots.current).length),
    });
    Object.assign(pricingAge, { collect: () => pricingAge.set(this.ageSeconds()) });
  }

  private ageSeconds(): number {
    const oldestMs = findOldestPriceMs(this.snapshots.current);
    return oldestMs === null ? 0 : Math.max(0, Math.floor((Date.now() - oldestMs) / 1000));
  }
}
