import { type ChainGap, type ChainPurged, parseRecord, type Seal, type StoredRecord, sealOf } from '../audit-record.js';
import { hashTree } from '../merkle.js';
import { signedText } from '../seal.js';
import { isSignedBy, type TrustedKeys } from '../signing-key.js';
import { ChainCheck, type MissingRange, type PlacedRecord, type SealJudgement } from './chain-check.js';
import type { AuditFault, AuditProblem, Verification } from './verification.js';

/** Records older than this have a seal wherever their writer, or its heir, runs. */
const UNSEALED_GRACE_MS = 5 * 60_000;

export interface VerifierOptions {
  readonly keys: TrustedKeys;
  /** Every record must have its seal, however young it is. */
  readonly allSealed: boolean;
  /** Chains may begin and end anywhere between two seals. */
  readonly isPart: boolean;
  readonly nowMs: number;
}

/** What a seal of another writer says, and where. */
interface Witness {
  readonly seal: Seal;
  readonly by: PlacedRecord;
}

type NamedGap = Extract<ChainGap, { of: string }>;

interface Statement {
  readonly event: ChainPurged | NamedGap;
  readonly by: PlacedRecord;
}

/**
 * Reads records, each writer's in one run and in their order, and says what is wrong. What is missing is judged at the
 * end: another chain may say why. Holds no more than what no seal covers.
 */
export class AuditVerifier {
  private readonly chains = new Map<string, ChainCheck>();
  private readonly problems: AuditProblem[] = [];
  private readonly witnesses: Witness[] = [];
  private readonly statements: Statement[] = [];
  private readonly notes: string[] = [];
  private readonly judgements = new WeakMap<StoredRecord, SealJudgement>();
  private current: string | null = null;
  private readonly past = new Set<string>();
  private records = 0;
  private unsealed = 0;

  constructor(private readonly options: VerifierOptions) {}

  add(line: string, place: number): void {
    this.records++;
    const stored = parseRecord(line);
    if (!stored) {
      this.say('altered', place, null, 'this is no audit record in its canonical form');
      return;
    }
    const placed: PlacedRecord = { ...stored, place };
    const { writer } = placed.record;
    this.checkRun(placed);
    let chain = this.chains.get(writer);
    if (!chain) {
      chain = new ChainCheck(
        (fault, { place: at, record }, message) => this.say(fault, at, nameOf(record), message),
        (record) => this.judge(record),
      );
      this.chains.set(writer, chain);
    }
    chain.add(placed);
    this.listen(placed);
  }

  /** A problem that whoever reads has found. */
  say(fault: AuditFault, place: number, record: string | null, message: string): void {
    this.problems.push({ fault, place, record, message });
  }

  /** What is there of each chain. Call it once all is read. */
  extents(): Map<string, { first: number; last: number; hash: string }> {
    for (const chain of this.chains.values()) chain.end();
    return new Map(
      [...this.chains].flatMap(([writer, { head, last }]) =>
        head && last ? [[writer, { first: head.record.seq, last: last.record.seq, hash: last.hash }] as const] : [],
      ),
    );
  }

  finish(): Verification {
    for (const chain of this.chains.values()) chain.end();
    const sealedTo = new Map([...this.chains].map(([writer, chain]) => [writer, this.checkWitnesses(writer, chain)]));
    const trusted = this.statements.filter(({ by }) => by.record.seq <= (sealedTo.get(by.record.writer) ?? 0));
    for (const [writer, chain] of this.chains) {
      const said = trusted.filter(({ event }) => event.of === writer).map(({ event }) => event);
      this.checkHead(chain, said);
      for (const range of chain.missing) this.checkMissing(range, said);
      this.checkTail(chain, sealedTo.get(writer) ?? 0);
    }
    if (!this.options.isPart) this.checkAbsent(trusted);
    this.problems.sort((one, other) => one.place - other.place);
    const seals = [...this.chains.values()].reduce((sum, chain) => sum + chain.seals, 0);
    const { problems, records, unsealed, notes } = this;
    return { problems, records, chains: this.chains.size, seals, unsealed, notes };
  }

  private checkRun({ record, place }: PlacedRecord): void {
    const { writer } = record;
    if (writer === this.current) return;
    if (this.current !== null) this.past.add(this.current);
    if (this.past.has(writer)) this.say('reordered', place, nameOf(record), 'it stands apart from its chain');
    this.current = writer;
  }

  private listen(placed: PlacedRecord): void {
    const { record } = placed;
    const seal = sealOf(record);
    if (seal && seal.of !== record.writer && this.judge(placed) === 'trusted')
      this.witnesses.push({ seal, by: placed });
    if (record.type === 'chain.purged' || (record.type === 'chain.gap' && record.reason !== 'not_written')) {
      this.statements.push({ event: record, by: placed });
    }
  }

  private judge(stored: StoredRecord): SealJudgement {
    const known = this.judgements.get(stored);
    if (known) return known;
    const { record } = stored;
    let judgement: SealJudgement = 'wrong_signature';
    if (record.type === 'chain.checkpoint' || record.type === 'chain.closed') {
      const key = this.options.keys.get(record.seal.key);
      if (!key) judgement = 'unknown_key';
      else if (isSignedBy(key, signedText(record), record.seal.signature)) judgement = 'trusted';
    }
    this.judgements.set(stored, judgement);
    return judgement;
  }

  /** How far a chain is sealed, by itself and by its heirs. */
  private checkWitnesses(writer: string, chain: ChainCheck): number {
    let { sealedTo } = chain;
    for (const { seal, by } of this.witnesses) {
      if (seal.of !== writer || !chain.last || !chain.head) continue;
      if (seal.last > chain.last.record.seq && !this.options.isPart) {
        const message = `its heir found records up to ${seal.last}`;
        this.say('truncated', chain.last.place, nameOf(chain.last.record), message);
      }
      const covered = chain.open.filter(({ record }) => record.seq >= seal.first && record.seq <= seal.last);
      const last = chain.last.record.seq === seal.last ? chain.last : covered.at(-1);
      if (last?.record.seq === seal.last && last.hash !== seal.last_hash) {
        this.say('altered', last.place, nameOf(last.record), `its heir found another one (${nameOf(by.record)})`);
      } else if (covered.length === seal.count && hashTree(covered.map(({ hash }) => hash)) !== seal.root) {
        const first = covered[0] ?? by;
        const message = `records from here to ${seal.last} do not add up to the root that its heir found`;
        this.say('altered', first.place, nameOf(first.record), message);
      }
      sealedTo = Math.max(sealedTo, seal.last);
    }
    return sealedTo;
  }

  private checkHead({ head }: ChainCheck, said: readonly Statement['event'][]): void {
    if (!head || head.record.seq === 1 || this.options.isPart) return;
    const before = head.record.seq - 1;
    const purge = said.find((event) => event.type === 'chain.purged' && event.last >= before);
    if (purge?.type !== 'chain.purged') {
      this.say('missing', head.place, nameOf(head.record), `the ${before} records before it are not there`);
    } else if (purge.last === before && purge.last_hash !== head.record.prev) {
      this.say('altered', head.place, nameOf(head.record), 'it is not chained to what was purged before it');
    } else {
      this.notes.push(`${head.record.writer}: records up to ${before} were purged`);
    }
  }

  /**
   * A purge takes beginnings alone, and a gap says which record stood before it: else whoever finds one could make
   * records in it, or before it, that no hash is chained to.
   */
  private checkMissing({ first, last, before, shownBy }: MissingRange, said: readonly Statement['event'][]): void {
    let next = first;
    const gaps = said.filter((event): event is NamedGap => event.type === 'chain.gap');
    for (const gap of gaps.sort((one, other) => one.first - other.first)) {
      const isNext = next === first ? gap.first === first && gap.chained_to === before.hash : gap.first <= next;
      if (isNext && gap.last >= next) next = gap.last + 1;
    }
    const { writer } = shownBy.record;
    if (next > last) {
      this.notes.push(`${writer}: records ${first} to ${last} are missing, and accounted for`);
      return;
    }
    const which = first === last ? `record ${first} is` : `records ${first} to ${last} are`;
    this.say('missing', shownBy.place, `${writer}:${first}`, `the ${which} not there before ${nameOf(shownBy.record)}`);
  }

  private checkTail({ last, open }: ChainCheck, sealedTo: number): void {
    if (!last || last.record.seq <= sealedTo) return;
    const [first] = open.filter(({ record }) => record.seq > sealedTo);
    if (!first) return;
    const count = last.record.seq - sealedTo;
    const ageMs = this.options.nowMs - Date.parse(first.record.at);
    if (this.options.allSealed) {
      this.say(
        'truncated',
        last.place,
        nameOf(last.record),
        `the seal behind it is not there (${count} records without one)`,
      );
    } else if (Math.abs(ageMs) > UNSEALED_GRACE_MS) {
      this.say('unsealed', first.place, nameOf(first.record), `no seal covers it and the ${count - 1} behind it`);
    } else {
      this.unsealed += count;
    }
  }

  /** Chains that others tell of and of which nothing is there. */
  private checkAbsent(trusted: readonly Statement[]): void {
    for (const { seal, by } of this.witnesses) {
      if (this.chains.has(seal.of)) continue;
      const isPurged = trusted.some(
        ({ event }) => event.type === 'chain.purged' && event.of === seal.of && event.last >= seal.last,
      );
      if (isPurged) continue;
      this.say(
        'missing',
        by.place,
        `${seal.of}:1`,
        `nothing is there of a chain of ${seal.last} records that ${nameOf(by.record)} tells of`,
      );
    }
  }
}

export function nameOf({ writer, seq }: { readonly writer: string; readonly seq: number }): string {
  return `${writer}:${seq}`;
}
