import { NO_RECORD, type StoredRecord, sealOf } from '../audit-record.js';
import { hashTree } from '../merkle.js';
import type { AuditFault } from './verification.js';

/** A record where it was read. */
export interface PlacedRecord extends StoredRecord {
  readonly place: number;
}

/** Numbers that are not there, and the record that shows it. */
export interface MissingRange {
  readonly first: number;
  readonly last: number;
  /** The record before them. */
  readonly before: PlacedRecord;
  readonly shownBy: PlacedRecord;
}

/** Says what is wrong with a record. */
export type Blame = (fault: AuditFault, at: PlacedRecord, message: string) => void;

/** `trusted`: its signature is good; else what is wrong with it. */
export type SealJudgement = 'trusted' | 'unknown_key' | 'wrong_signature';

/**
 * One writer's records as they are read. Each is judged once the next is there: of two that do not fit, that tells
 * which one was touched.
 */
export class ChainCheck {
  /** The first record; null until there is one. */
  head: PlacedRecord | null = null;
  /** The last one that stands in its place. */
  last: PlacedRecord | null = null;
  readonly missing: MissingRange[] = [];
  /** Since the writer's own last seal, in order. */
  readonly open: PlacedRecord[] = [];
  /** Number of the last record that is signed, by a key that is trusted; 0 where there is none. */
  sealedTo = 0;
  seals = 0;
  private waiting: PlacedRecord | null = null;
  private openFrom = 1;
  private blamed: PlacedRecord | null = null;
  /** The number of a record that stood too early. */
  private early = 0;

  constructor(
    private readonly blame: Blame,
    private readonly judge: (record: StoredRecord) => SealJudgement,
  ) {}

  add(record: PlacedRecord): void {
    const { waiting } = this;
    this.waiting = record;
    if (waiting) this.check(waiting, record);
  }

  end(): void {
    const { waiting } = this;
    this.waiting = null;
    if (waiting) this.check(waiting, null);
  }

  private check(record: PlacedRecord, next: PlacedRecord | null): void {
    if (!this.head) {
      if (!this.begin(record, next)) return;
    } else if (this.last) {
      const expected = this.last.record.seq + 1;
      const { seq } = record.record;
      if (seq === expected) this.checkLink(this.last, record, next);
      else if (!this.placeElsewhere(record, this.last, next)) return;
    }
    this.last = record;
    this.checkSeal(record);
  }

  /** False where the record is left aside. */
  private begin(record: PlacedRecord, next: PlacedRecord | null): boolean {
    const { seq, prev, type } = record.record;
    if (next?.record.seq === seq - 1) {
      this.say('reordered', record, `the record ${seq - 1} stands behind it`);
      this.early = seq;
      return false;
    }
    this.head = record;
    this.openFrom = seq;
    if (seq === 1 && (prev !== NO_RECORD || type !== 'chain.opened')) {
      this.say('altered', record, 'it is the first of its chain, and does not begin one');
    }
    return true;
  }

  private checkLink(before: PlacedRecord, record: PlacedRecord, next: PlacedRecord | null): void {
    if (record.record.prev === before.hash || this.blamed === before) return;
    const isNextsBasis = next?.record.seq === record.record.seq + 1 && next.record.prev === record.hash;
    const isIntact = isNextsBasis || this.isTrustedSeal(record);
    if (isIntact && !this.isTrustedSeal(before)) {
      this.say('altered', before, 'the record behind it was chained to another');
    } else {
      this.say('altered', record, 'it is not chained to the record before it');
    }
  }

  /** A record that is not the one expected. False where it is left aside. */
  private placeElsewhere(record: PlacedRecord, before: PlacedRecord, next: PlacedRecord | null): boolean {
    const expected = before.record.seq + 1;
    const { seq } = record.record;
    const nextSeq = next?.record.seq;
    if (seq < expected) {
      const isSame = seq === expected - 1 && before.hash === record.hash;
      const isFork = seq === expected - 1 && !isSame;
      if (isFork) return this.judgeFork(record, before, next);
      if (!this.takeMissing(seq)) this.say('inserted', record, 'there was one of this number before');
      else this.say('reordered', record, 'records with higher numbers stand before it');
      return false;
    }
    if (nextSeq === expected) {
      this.say('reordered', record, `the record ${expected} stands behind it`);
      this.early = seq;
      return false;
    }
    if (nextSeq === expected + 1) {
      this.say('altered', record, `the record ${expected} should stand here`);
      return false;
    }
    if (this.early !== expected || seq !== expected + 1) {
      this.missing.push({ first: expected, last: seq - 1, before, shownBy: record });
    }
    return true;
  }

  /** Of two that claim one place, the next one tells which is right. True where the later is. */
  private judgeFork(record: PlacedRecord, before: PlacedRecord, next: PlacedRecord | null): boolean {
    const isBasis = next?.record.seq === record.record.seq + 1 && next.record.prev === record.hash;
    this.say('forked', isBasis ? before : record, 'another record claims the same place');
    if (isBasis && this.open.at(-1) === before) this.open.pop();
    return isBasis;
  }

  /** True where the number was missing; it is not any more. */
  private takeMissing(seq: number): boolean {
    const index = this.missing.findIndex(({ first, last }) => first <= seq && seq <= last);
    const range = this.missing[index];
    if (!range) return false;
    const rest = [
      { ...range, last: seq - 1 },
      { ...range, first: seq + 1 },
    ];
    this.missing.splice(index, 1, ...rest.filter((part) => part.first <= part.last));
    return true;
  }

  private checkSeal(record: PlacedRecord): void {
    const seal = sealOf(record.record);
    if (!seal) {
      this.open.push(record);
      return;
    }
    this.seals++;
    const judgement = this.judge(record);
    if (judgement === 'unknown_key') {
      this.say('re-signed', record, `it is signed by the key ${seal.key}, which is not trusted`);
    } else if (judgement === 'wrong_signature') {
      this.say('altered', record, 'its signature does not fit: it, or the chain before it, was made anew');
    }
    // Whatever it seals, its signature covers the hash of the record before it, and with that the chain.
    if (judgement === 'trusted') this.sealedTo = record.record.seq;
    if (seal.of !== record.record.writer) {
      this.open.push(record);
      return;
    }
    if (judgement === 'trusted') this.checkOwnSeal(record);
    this.open.length = 0;
    this.openFrom = record.record.seq + 1;
  }

  private checkOwnSeal(record: PlacedRecord): void {
    const seal = sealOf(record.record);
    if (!seal) return;
    // Purged up to the middle, or torn by a gap: what is there is chained to this seal all the same.
    const isWhole = this.open.length === seal.count && seal.first === this.openFrom;
    if (isWhole && hashTree(this.open.map(({ hash }) => hash)) !== seal.root) {
      this.say('altered', record, 'the records before it do not add up to its root');
    }
  }

  private isTrustedSeal(record: PlacedRecord): boolean {
    return sealOf(record.record) !== null && this.judge(record) === 'trusted';
  }

  private say(fault: AuditFault, record: PlacedRecord, message: string): void {
    if (this.blamed === record) return;
    this.blamed = record;
    this.blame(fault, record, message);
  }
}
