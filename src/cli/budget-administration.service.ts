import { Injectable } from '@nestjs/common';
import { RedisKeyCache } from '../auth/redis-key.cache.js';
import { BudgetRepository, type SharedBudget } from '../database/budget.repository.js';
import { RedisService } from '../redis/redis.service.js';

/** Sets what teams and organizations may spend, and tells running gateways. */
@Injectable()
export class BudgetAdministration {
  constructor(
    private readonly budgets: BudgetRepository,
    private readonly redis: RedisService,
    private readonly shared: RedisKeyCache,
  ) {}

  list(): Promise<readonly SharedBudget[]> {
    return this.budgets.list();
  }

  /** `told`: whether running gateways know already. Null where there is no such team or organization. */
  async set(budget: SharedBudget): Promise<{ readonly told: boolean } | null> {
    const keyHashes = await this.budgets.set(budget);
    return keyHashes === null ? null : { told: await this.tell(keyHashes) };
  }

  /** What gateways keep of a key holds the budgets it draws on. */
  private async tell(keyHashes: readonly string[]): Promise<boolean> {
    if (keyHashes.length === 0) return true;
    if (!this.redis.isAvailable) return false;
    try {
      await this.shared.announce(keyHashes);
      return true;
    } catch {
      return false;
    }
  }
}
