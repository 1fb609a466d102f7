import {
  type AuditEvent,
  buildRecord,
  type ChainCheckpoint,
  type ChainClosed,
  NO_RECORD,
  type Place,
  type StoredRecord,
  sealOf,
  store,
  storeDecision,
} from './audit-record.js';
import { draftSeal, signSeal, type Unsealed } from './seal.js';
import type { SigningKey } from './signing-key.js';

/**
 * One writer's records, each with the hash of the one before. A record is made first and counted once it is written:
 * what could not be written leaves no hole.
 */
export class AuditChain {
  private seq = 0;
  private prev = NO_RECORD;
  private firstUnsealed = 1;
  private readonly unsealed: string[] = [];
  private oldestUnsealed: string | null = null;

  constructor(
    readonly writer: string,
    private readonly key: SigningKey,
  ) {}

  /** Records that no seal covers yet. */
  get unsealedCount(): number {
    return this.unsealed.length;
  }

  /** When the oldest of them was made; null where there is none. */
  get unsealedSince(): string | null {
    return this.oldestUnsealed;
  }

  /** The next record. Throws where the event has no JSON form. */
  draft(event: AuditEvent, at: string): StoredRecord {
    const place = this.place(at);
    return event.type === 'request.decided' ? storeDecision(event, place) : store(buildRecord(event, place));
  }

  /** The next record, which seals all before it that no other does. */
  draftCheckpoint(reason: ChainCheckpoint['reason'], at: string): StoredRecord {
    return this.seal({ type: 'chain.checkpoint', reason }, this.ownUnsealed(), at);
  }

  /** The last record, which seals as a checkpoint does. */
  draftClosing(at: string): StoredRecord {
    return this.seal({ type: 'chain.closed', reason: 'shutdown' }, this.ownUnsealed(), at);
  }

  /** The next record, which seals what a dead writer left unsealed. */
  draftHeirSeal(left: Unsealed, at: string): StoredRecord {
    return this.seal({ type: 'chain.closed', reason: 'died' }, left, at);
  }

  /** The draft is written. */
  commit({ record, hash }: StoredRecord): void {
    this.seq = record.seq;
    this.prev = hash;
    if (sealOf(record)?.of === this.writer) {
      this.unsealed.length = 0;
      this.firstUnsealed = record.seq + 1;
      this.oldestUnsealed = null;
    } else {
      this.oldestUnsealed ??= record.at;
      this.unsealed.push(hash);
    }
  }

  private seal(
    event: Omit<ChainCheckpoint, 'seal'> | Omit<ChainClosed, 'seal'>,
    of: Unsealed,
    at: string,
  ): StoredRecord {
    const record = buildRecord(
      { ...event, seal: draftSeal(of, this.key) } as ChainCheckpoint | ChainClosed,
      this.place(at),
    );
    return store(signSeal(record, this.key));
  }

  private ownUnsealed(): Unsealed {
    return { of: this.writer, first: this.firstUnsealed, last: this.seq, lastHash: this.prev, hashes: this.unsealed };
  }

  private place(at: string): Place {
    return { writer: this.writer, seq: this.seq + 1, prev: this.prev, at };
  }
}
