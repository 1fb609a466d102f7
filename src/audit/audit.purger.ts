import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { AuditStore } from './audit.store.js';
import { AuditChain } from './audit-chain.js';
import { type ChainPurged, parseRecord, type StoredRecord, sealOf } from './audit-record.js';
import { isIncluded, proveInclusion } from './export/audit.prover.js';
import { isTrustedSeal } from './seal.js';
import type { SigningKey, TrustedKeys } from './signing-key.js';

const REMOVE_AT_ONCE = 5_000;
const CHECKPOINT_EVERY = 1_000;

export interface PurgeResult {
  /** Records that were removed. */
  readonly removed: number;
  /** Chains they were removed from. */
  readonly chains: number;
}

/**
 * Removes records that are sealed and older than a moment, up to a seal of each chain. What is removed is first said
 * in a chain of its own: how far, and the hash that the next record builds on. The same is said again of chains that
 * lost their beginning before, so that what said it then may itself be removed.
 */
export class AuditPurger {
  constructor(
    private readonly store: AuditStore,
    private readonly key: SigningKey,
    private readonly configVersion: string,
    /** Keys whose seals prove that a record is old. */
    private readonly trusted: TrustedKeys,
    private readonly now: () => Date = () => new Date(),
  ) {}

  async purge(before: Date): Promise<PurgeResult> {
    const cuts: ChainPurged[] = [];
    for (const { writer, first } of await this.store.listChains()) {
      const sealedTo = await this.store.findSealedTo(writer, before);
      const isOld = sealedTo >= first && (await this.isSealedBefore(writer, sealedTo, before));
      const last = isOld ? sealedTo : first - 1;
      if (last === 0 || !(isOld || (await this.wasPurged(writer, last)))) continue;
      const cut = await this.describeCut(writer, last, before);
      if (cut) cuts.push(cut);
    }
    const fresh = await this.findNew(cuts);
    if (fresh.length === 0) return { removed: 0, chains: 0 };
    await this.store.insert(this.buildChain(cuts));
    let removed = 0;
    for (const { of, last } of fresh) removed += await this.removeUpTo(of, last);
    return { removed, chains: fresh.length };
  }

  /**
   * By what is signed. PostgreSQL's columns only say where to look: who can write them would else have all removed, and
   * signed for, by making it old.
   */
  private async isSealedBefore(writer: string, last: number, before: Date): Promise<boolean> {
    const limit = before.toISOString();
    const lines = await this.store.read({ writer, first: last, last }, 2);
    for (const line of [...lines, ...(await this.store.findSeals({ writer, seq: last }))]) {
      const stored = parseRecord(line);
      const seal = stored && sealOf(stored.record);
      if (!stored || !seal || stored.record.at >= limit || !isTrustedSeal(stored.record, this.trusted)) continue;
      const isOwn = stored.record.writer === writer && stored.record.seq === last;
      if (isOwn || (seal.of === writer && seal.last === last)) return true;
    }
    return false;
  }

  /** Whether a purge has signed for it: whatever else is gone, nobody may have it signed for by waiting for the next one. */
  private async wasPurged(of: string, last: number): Promise<boolean> {
    for (const { writer, seq } of await this.store.findStatements(of)) {
      for (const line of await this.store.read({ writer, first: seq, last: seq }, 2)) {
        const stored = parseRecord(line);
        if (stored?.record.type !== 'chain.purged' || stored.record.of !== of || stored.record.last < last) continue;
        const proof = await proveInclusion(this.store, stored);
        const seal = proof && parseRecord(proof.seal);
        if (proof && seal && isTrustedSeal(seal.record, this.trusted) && isIncluded(stored.hash, proof)) return true;
      }
    }
    return false;
  }

  /** By the record at the cut; where that is gone, by what the next one builds on. Null where neither is there. */
  private async describeCut(of: string, last: number, before: Date): Promise<ChainPurged | null> {
    const [line] = await this.store.read({ writer: of, first: last, last: last + 1 }, 1);
    const stored = line === undefined ? null : parseRecord(line);
    if (!stored) return null;
    const { record, hash } = stored;
    if (record.seq !== last && record.seq !== last + 1) return null;
    const lastHash = record.seq === last ? hash : record.prev;
    return { type: 'chain.purged', reason: 'retention', of, last, last_hash: lastHash, before: before.toISOString() };
  }

  private async findNew(cuts: readonly ChainPurged[]): Promise<ChainPurged[]> {
    const fresh: ChainPurged[] = [];
    for (const cut of cuts) {
      const [line] = await this.store.read({ writer: cut.of, first: 1, last: cut.last }, 1);
      if (line !== undefined) fresh.push(cut);
    }
    return fresh;
  }

  private buildChain(cuts: readonly ChainPurged[]): StoredRecord[] {
    const chain = new AuditChain(randomUUID(), this.key);
    const at = this.now().toISOString();
    const records: StoredRecord[] = [];
    const add = (record: StoredRecord): void => {
      chain.commit(record);
      records.push(record);
    };
    add(chain.draft({ type: 'chain.opened', reason: 'purge', host: hostname(), config: this.configVersion }, at));
    for (const cut of cuts) {
      add(chain.draft(cut, at));
      if (chain.unsealedCount >= CHECKPOINT_EVERY) add(chain.draftCheckpoint('count', at));
    }
    add(chain.draftClosing(at));
    return records;
  }

  private async removeUpTo(writer: string, last: number): Promise<number> {
    let removed = 0;
    for (;;) {
      const count = await this.store.remove(writer, last, REMOVE_AT_ONCE);
      removed += count;
      if (count < REMOVE_AT_ONCE) return removed;
    }
  }
}
