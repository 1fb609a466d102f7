import { Module } from '@nestjs/common';
import { systemClock } from '../domain/clock.js';
import { CLOCK } from '../domain/observer.js';
import type { ProviderAdapter } from '../domain/provider-adapter.js';
import { PROVIDER_ADAPTERS } from './adapters/provider-adapters.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { CredentialHealth } from './credential-health.js';
import { ADAPTERS, ProviderRegistry } from './provider.registry.js';
import { RANDOM } from './random.js';
import { RetryBudget } from './retry-budget.js';
import { RouterService } from './router.service.js';
import { LeastLatencyStrategy } from './strategies/least-latency.strategy.js';
import { PriorityStrategy } from './strategies/priority.strategy.js';
import { RoutingStrategies } from './strategies/strategies.js';
import { WeightedStrategy } from './strategies/weighted.strategy.js';
import { TargetActivity } from './target-activity.js';
import { UpstreamClient } from './upstream.client.js';

/** Chooses targets and talks to them. Uses the `GATEWAY_OBSERVER` where one is provided. */
@Module({
  providers: [
    ...PROVIDER_ADAPTERS,
    {
      provide: ADAPTERS,
      inject: [...PROVIDER_ADAPTERS],
      useFactory: (...adapters: ProviderAdapter[]): readonly ProviderAdapter[] => adapters,
    },
    { provide: CLOCK, useValue: systemClock },
    { provide: RANDOM, useValue: Math.random },
    ProviderRegistry,
    UpstreamClient,
    TargetActivity,
    CircuitBreaker,
    CredentialHealth,
    RetryBudget,
    PriorityStrategy,
    WeightedStrategy,
    LeastLatencyStrategy,
    RoutingStrategies,
    RouterService,
  ],
  exports: [RouterService],
})
export class RouterModule {}
