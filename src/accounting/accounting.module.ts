import { Global, Logger, Module } from '@nestjs/common';
import { SnapshotService } from '../config/snapshot.service.js';
import { USAGE_JOURNAL } from '../domain/accounting.js';
import { GATEWAY_OBSERVER, type GatewayObserver } from '../domain/observer.js';
import { getJournalFolder, journalBytesOf } from '../journal/journal-folder.js';
import { WORKER_ROLE, type WorkerRole } from '../workers/worker-role.js';
import { UsageFileJournal } from './journal/usage.journal.js';
import { JournalRuntime } from './journal.runtime.js';
import { LedgerShipper } from './ledger/ledger.shipper.js';
import { UsageLedger } from './ledger/usage.ledger.js';
import { UsageInterceptor } from './usage.interceptor.js';
import { UsageRecorder } from './usage.recorder.js';

/** What requests use: recorded in a journal beside the process, kept in PostgreSQL. Global: health asks the journal. */
@Global()
@Module({
  providers: [
    {
      provide: USAGE_JOURNAL,
      inject: [SnapshotService, GATEWAY_OBSERVER, WORKER_ROLE],
      useFactory: ({ current }: SnapshotService, observer: GatewayObserver, role: WorkerRole) => {
        const { syncIntervalMs } = current.gateway.accounting;
        const maxBytes = journalBytesOf(current.gateway, role);
        const directory = getJournalFolder(current.gateway);
        return new UsageFileJournal({ directory, maxBytes, syncIntervalMs }, observer, new Logger('Journal'));
      },
    },
    UsageLedger,
    {
      provide: LedgerShipper,
      inject: [USAGE_JOURNAL, UsageLedger, GATEWAY_OBSERVER],
      useFactory: (journal: UsageFileJournal, ledger: UsageLedger, observer: GatewayObserver) =>
        new LedgerShipper(journal, ledger, observer, new Logger('Ledger')),
    },
    JournalRuntime,
    UsageRecorder,
    UsageInterceptor,
  ],
  exports: [USAGE_JOURNAL, UsageRecorder, UsageInterceptor],
})
export class AccountingModule {}
