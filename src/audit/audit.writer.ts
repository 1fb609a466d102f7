import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Clock } from '../domain/clock.js';
import { type JournalLog, messageOf } from '../journal/journal-parts.js';
import type { AuditHeir, AuditJournal } from './audit.journal.js';
import { AuditChain } from './audit-chain.js';
import type { AuditLog } from './audit-log.js';
import type { AuditEvent, ChainGap, ChainOpened, StoredRecord } from './audit-record.js';
import type { Unsealed } from './seal.js';
import type { SigningKey } from './signing-key.js';

export interface AuditWriterSettings {
  readonly checkpointIntervalMs: number;
  readonly checkpointEvents: number;
}

/**
 * Puts events into this process's chain and its chain into the journal: a record is made, hashed and with the operating
 * system when `record` returns. Events that could not be written are counted, and the chain says so once it goes on.
 */
export class AuditWriter implements AuditHeir, AuditLog {
  readonly isEnabled = true;
  private chain: AuditChain | null = null;
  private timer: NodeJS.Timeout | undefined;
  private checkpointCount = 0;
  private lostCount = 0;
  /** Lost events that the chain does not tell of yet. */
  private untold = 0;
  private untoldSince = '';

  constructor(
    readonly journal: AuditJournal,
    private readonly key: SigningKey,
    private readonly settings: AuditWriterSettings,
    private readonly clock: Clock,
    private readonly logger: JournalLog,
    /** Version of the configuration that serves. */
    private readonly configVersion: () => string,
  ) {
    journal.serve(this);
  }

  get isWritable(): boolean {
    return this.journal.isWritable;
  }

  get problem(): string | null {
    return this.journal.problem;
  }

  get depth(): number {
    return this.journal.depth;
  }

  get bytes(): number {
    return this.journal.bytes;
  }

  get records(): number {
    return this.journal.counts.records;
  }

  get checkpoints(): number {
    return this.checkpointCount;
  }

  get unsealedMs(): number {
    const since = this.chain?.unsealedSince;
    return since == null ? 0 : Math.max(0, this.clock.nowMs() - Date.parse(since));
  }

  get lost(): number {
    return this.lostCount;
  }

  /** Begins the chain. Throws where the journal can never be written. */
  async open(): Promise<void> {
    await this.journal.open();
    // Who took something over has begun it.
    if (!this.chain) this.tryTo(() => void this.openChain());
    this.timer = setInterval(() => this.seal('interval'), this.settings.checkpointIntervalMs).unref();
  }

  /** Throws where the event cannot be written; it counts as lost then. */
  record(event: AuditEvent): void {
    try {
      if (this.untold > 0) this.tellLosses();
      const chain = this.chain ?? this.openChain();
      this.append(chain, chain.draft(event, this.now()));
      if (chain.unsealedCount >= this.settings.checkpointEvents) this.seal('count');
      // Until it is sealed, what it tells of counts as missing.
      else if (event.type === 'chain.gap') this.seal('interval');
    } catch (error) {
      this.lose();
      throw error;
    }
  }

  /** Counts an event that there was no room for. */
  lose(): void {
    this.lostCount++;
    if (this.untold === 0) {
      this.untoldSince = this.now();
      this.logger.error(`An audit event could not be written: ${this.journal.problem ?? 'see the journal'}`);
    }
    this.untold++;
  }

  inherit(left: Unsealed): void {
    const chain = this.chain ?? this.openChain();
    this.append(chain, chain.draftHeirSeal(left, this.now()));
  }

  tellLosses(): void {
    if (this.untold === 0) return;
    const chain = this.chain ?? this.openChain();
    const gap: ChainGap = { type: 'chain.gap', reason: 'not_written', count: this.untold, since: this.untoldSince };
    this.append(chain, chain.draft(gap, this.now()));
    this.untold = 0;
  }

  /** Ends the chain; an event that comes later still begins another. */
  close(): void {
    clearInterval(this.timer);
    this.tryTo(() => this.tellLosses());
    this.tryTo(() => {
      const { chain } = this;
      if (!chain) return;
      const closing = chain.draftClosing(this.now());
      this.journal.append(closing.line);
      this.checkpointCount++;
      this.chain = null;
      this.journal.letGo();
    });
  }

  private openChain(): AuditChain {
    const chain = new AuditChain(randomUUID(), this.key);
    const opened: ChainOpened = {
      type: 'chain.opened',
      reason: 'started',
      host: hostname(),
      config: this.configVersion(),
    };
    this.append(chain, chain.draft(opened, this.now()));
    this.chain = chain;
    return chain;
  }

  private seal(reason: 'count' | 'interval'): void {
    const { chain } = this;
    if (!chain || chain.unsealedCount === 0) return;
    // Where it cannot be written, the next one seals these records, too.
    this.tryTo(() => {
      const checkpoint = chain.draftCheckpoint(reason, this.now());
      this.journal.appendSeal(checkpoint.line);
      chain.commit(checkpoint);
      this.checkpointCount++;
    });
  }

  private append(chain: AuditChain, draft: StoredRecord): void {
    this.journal.append(draft.line);
    chain.commit(draft);
  }

  private tryTo(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.logger.warn(`The audit waits for its journal: ${messageOf(error)}`);
    }
  }

  private now(): string {
    return new Date(this.clock.nowMs()).toISOString();
  }
}
