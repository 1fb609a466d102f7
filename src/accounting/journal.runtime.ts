import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { DatabaseService } from '../database/database.service.js';
import { USAGE_JOURNAL } from '../domain/accounting.js';
import type { UsageFileJournal } from './journal/usage.journal.js';
import { LedgerShipper } from './ledger/ledger.shipper.js';

/** What the journal's rest may take to reach the ledger as the process ends; where it takes longer, it waits there. */
const LAST_SHIPPING_MS = 5_000;

/** Opens the journal before the first request, ships it while the process lives, and lets go of it at the end. */
@Injectable()
export class JournalRuntime implements OnModuleInit {
  constructor(
    @Inject(USAGE_JOURNAL) private readonly journal: UsageFileJournal,
    private readonly shipper: LedgerShipper,
    private readonly database: DatabaseService,
  ) {}

  /** Throws where the journal's folder can never be written. */
  async onModuleInit(): Promise<void> {
    await this.journal.open();
    this.shipper.start();
    // By then no connection is left that a request could come on.
    this.database.beforeClose(async () => {
      await this.shipper.stop(LAST_SHIPPING_MS);
      this.journal.close();
    });
  }
}
