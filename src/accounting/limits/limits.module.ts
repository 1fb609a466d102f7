import { Module } from '@nestjs/common';
import { BudgetSeeder } from './budget-seeder.js';
import { LimiterService } from './limiter.service.js';
import { LimitsInterceptor } from './limits.interceptor.js';
import { LocalLimitStore } from './local-limit.store.js';
import { RedisLimitStore } from './redis-limit.store.js';
import { SpendingRepository } from './spending.repository.js';

/** What keys, teams and organizations may use. Needs `DatabaseModule` and `RedisModule`, which are global. */
@Module({
  providers: [SpendingRepository, BudgetSeeder, LocalLimitStore, RedisLimitStore, LimiterService, LimitsInterceptor],
  exports: [LimitsInterceptor],
})
export class LimitsModule {}
