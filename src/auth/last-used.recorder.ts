import type { OnModuleInit } from '@nestjs/common';
import { Injectable, Logger } from '@nestjs/common';
import { ApiKeyRepository } from '../database/api-key.repository.js';
import { DatabaseService } from '../database/database.service.js';

const FLUSH_INTERVAL_MS = 5_000;

/** When keys were last used: collected in memory, written a few seconds later in one statement for all. */
@Injectable()
export class LastUsedRecorder implements OnModuleInit {
  private readonly logger = new Logger('LastUsed');
  private uses = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: DatabaseService,
    private readonly keys: ApiKeyRepository,
  ) {}

  onModuleInit(): void {
    this.timer = setInterval(() => void this.flush(), FLUSH_INTERVAL_MS);
    this.database.beforeClose(async () => {
      clearInterval(this.timer);
      await this.flush();
    });
  }

  /** `usedAtMs`: wall clock, milliseconds since 1970. */
  record(keyId: string, usedAtMs: number): void {
    this.uses.set(keyId, usedAtMs);
  }

  /** Writes what was collected; keeps it where the database cannot be asked. Never throws. */
  async flush(): Promise<void> {
    if (this.uses.size === 0 || !this.database.isAvailable) return;
    const uses = this.uses;
    this.uses = new Map();
    try {
      await this.keys.recordUses(uses);
    } catch (error) {
      this.logger.debug(`Last uses were not written: ${String(error)}`);
      for (const [keyId, usedAtMs] of this.uses) uses.set(keyId, usedAtMs);
      this.uses = uses;
    }
  }
}
