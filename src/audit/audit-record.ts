import canonicalize from 'canonicalize';
import { AUDIT_EVENT_TYPES, type AuditChangeReason, type AuditDecision, type AuditEventType } from '../domain/audit.js';
import type { Classification } from '../domain/classification.js';
import type { ErrorCode } from '../domain/errors.js';
import { isObject } from '../domain/json.js';
import type { AttemptOutcome } from '../domain/observer.js';
import { hashLeaf } from './merkle.js';

/** Before the first record of a chain. */
export const NO_RECORD = '0'.repeat(64);
const FORMAT = 1;
const HASH = /^[0-9a-f]{64}$/;
const SIGNATURE = /^[0-9a-f]{128}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MOMENT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

/** A rule that found something, and how often. */
export interface AuditedRule {
  readonly filter: string;
  readonly rule: string;
  readonly count: number;
}

export interface AuditedTarget {
  readonly provider: string;
  readonly model: string;
}

/** What is undefined is left out of the record. */
type Optional<Fields> = { readonly [Name in keyof Fields]?: Fields[Name] | undefined };

export type RequestDecided = {
  readonly type: 'request.decided';
  readonly decision: AuditDecision;
  /** A denial's is its error code, a fallback's the outcome of the attempt before. */
  readonly reason: 'permitted' | 'rule' | 'header' | AttemptOutcome | ErrorCode;
} & Optional<{
  request_id: string;
  /** Of the usage record, in the ledger. */
  usage_id: string;
  key_id: string;
  organization: string;
  team: string;
  user: string;
  project: string;
  /** The alias asked for, where there is one of that name. */
  model: string;
  level: Classification;
  /** Where a raise began. */
  from_level: Classification;
  target: AuditedTarget;
  /** The target before, of a fallback. */
  from_target: AuditedTarget;
  rules: readonly AuditedRule[];
  /** Rules that are not named any more. */
  more_rules: number;
  direction: 'request' | 'response';
  /** So many requests of nobody known, within a moment. */
  count: number;
}>;

/** A value is told of what a key may do only; of all else that it changed. */
export interface AuditedChange {
  readonly field: string;
  readonly from?: string | null;
  readonly to?: string | null;
}

interface Changed {
  readonly reason: AuditChangeReason;
  /** Of the note in the database that this was made from. */
  readonly change: string;
  /** The database's account, and the program as it calls itself. */
  readonly actor: string;
  readonly changed_at: string;
  readonly organization: string;
  readonly changes: readonly AuditedChange[];
}

export type KeyChanged = Changed & { readonly type: 'key.changed'; readonly key_id: string; readonly team: string };

export type BudgetChanged = Changed & { readonly type: 'budget.changed'; readonly team?: string | undefined };

export interface ConfigChanged {
  readonly type: 'config.changed';
  readonly reason: 'reloaded';
  readonly from: string;
  readonly to: string;
}

export interface ChainOpened {
  readonly type: 'chain.opened';
  readonly reason: 'started' | 'purge';
  readonly host: string;
  /** Version of the configuration. */
  readonly config: string;
}

/** A signed statement about a run of records. */
export interface Seal {
  /** The writer whose records they are. */
  readonly of: string;
  readonly first: number;
  readonly last: number;
  /** Of the record `last`. */
  readonly last_hash: string;
  readonly count: number;
  /** Merkle tree hash (RFC 6962) over the records. */
  readonly root: string;
  /** Id of the key that signed. */
  readonly key: string;
  /** Ed25519 over this record without the signature. */
  readonly signature: string;
}

export interface ChainCheckpoint {
  readonly type: 'chain.checkpoint';
  readonly reason: 'count' | 'interval';
  readonly seal: Seal;
}

/** A writer's last record; or, with `died`, what the heir of a dead one found of it. */
export interface ChainClosed {
  readonly type: 'chain.closed';
  readonly reason: 'shutdown' | 'died';
  readonly seal: Seal;
}

export type ChainGap =
  | { readonly type: 'chain.gap'; readonly reason: 'not_written'; readonly count: number; readonly since: string }
  | {
      readonly type: 'chain.gap';
      readonly reason: 'damaged' | 'refused';
      readonly of: string;
      readonly first: number;
      readonly last: number;
      /** Hash of the record before `first`: with it, what stands before the gap is as firm as what stands behind it. */
      readonly chained_to: string;
    };

export interface ChainPurged {
  readonly type: 'chain.purged';
  readonly reason: 'retention';
  readonly of: string;
  /** All records up to this one are gone. */
  readonly last: number;
  readonly last_hash: string;
  readonly before: string;
}

export type AuditEvent =
  | RequestDecided
  | KeyChanged
  | BudgetChanged
  | ConfigChanged
  | ChainOpened
  | ChainCheckpoint
  | ChainClosed
  | ChainGap
  | ChainPurged;

/** An event in its place. */
export type AuditRecord<Event extends AuditEvent = AuditEvent> = Event & {
  readonly v: typeof FORMAT;
  /** A chain is one writer's: a process between its start and its end. */
  readonly writer: string;
  /** From 1 on. */
  readonly seq: number;
  /** Hash of the record before. */
  readonly prev: string;
  readonly at: string;
};

/** A record as it is kept: its text says all, and is what is hashed. */
export interface StoredRecord {
  readonly line: string;
  readonly hash: string;
  readonly record: AuditRecord;
}

/** RFC 8785. */
export function toCanonicalJson(value: object): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('This has no JSON form.');
  return text;
}

/** Where a record stands. */
export interface Place {
  readonly writer: string;
  readonly seq: number;
  readonly prev: string;
  readonly at: string;
}

export function buildRecord<Event extends AuditEvent>(
  event: Event,
  { writer, seq, prev, at }: Place,
): AuditRecord<Event> {
  return { ...event, v: FORMAT, writer, seq, prev, at };
}

export function store(record: AuditRecord): StoredRecord {
  const line = toCanonicalJson(record);
  return { line, hash: hashLeaf(line), record };
}

/** What only half of a character is written as. */
const HALF = '\\ud';

/**
 * As `store` of the record that is built from it. Decisions are made for every request, and this takes a quarter of the
 * time: an object whose members are made in their canonical order, of texts and whole numbers, is in canonical JSON
 * what `JSON.stringify` makes of it. A test holds the two together.
 */
export function storeDecision(event: RequestDecided, { writer, seq, prev, at }: Place): StoredRecord {
  const { target, from_target: from, rules } = event;
  const record: AuditRecord<RequestDecided> = {
    at,
    count: event.count,
    decision: event.decision,
    direction: event.direction,
    from_level: event.from_level,
    from_target: from && { model: from.model, provider: from.provider },
    key_id: event.key_id,
    level: event.level,
    model: event.model,
    more_rules: event.more_rules,
    organization: event.organization,
    prev,
    project: event.project,
    reason: event.reason,
    request_id: event.request_id,
    rules: rules?.map(({ count, filter, rule }) => ({ count, filter, rule })),
    seq,
    target: target && { model: target.model, provider: target.provider },
    team: event.team,
    type: event.type,
    usage_id: event.usage_id,
    user: event.user,
    v: FORMAT,
    writer,
  };
  const line = JSON.stringify(record);
  return line.includes(HALF) ? store(record) : { line, hash: hashLeaf(line), record };
}

/** Null where the text is no record in its canonical form. */
export function parseRecord(line: string): StoredRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
    if (!isRecord(value) || !isCanonical(line, value)) return null;
  } catch {
    return null;
  }
  return { line, hash: hashLeaf(line), record: value };
}

/**
 * Whether a text is the canonical JSON of the value it was parsed to. Each record is asked on its way to PostgreSQL:
 * where names stand in their order, it is enough that it reads the same when it is written again.
 */
export function isCanonical(line: string, value: object): boolean {
  if (line.includes(HALF) || !hasNamesInOrder(value)) return toCanonicalJson(value) === line;
  return JSON.stringify(value) === line;
}

function hasNamesInOrder(value: object): boolean {
  let before: string | null = null;
  const isList = Array.isArray(value);
  for (const [name, member] of Object.entries(value) as [string, unknown][]) {
    if (!isList && before !== null && before >= name) return false;
    before = name;
    if (typeof member === 'object' && member !== null && !hasNamesInOrder(member)) return false;
  }
  return true;
}

/** The place, and what other records rely on; all else is words. */
function isRecord(value: unknown): value is AuditRecord {
  if (!isObject(value) || value.v !== FORMAT || !isUuid(value.writer) || !isCount(value.seq) || value.seq < 1)
    return false;
  if (!isHash(value.prev) || !isMoment(value.at)) return false;
  const type = AUDIT_EVENT_TYPES.find((known) => known === value.type);
  return type !== undefined && isShaped(type, value);
}

function isShaped(type: AuditEventType, value: Record<string, unknown>): boolean {
  switch (type) {
    case 'chain.checkpoint':
    case 'chain.closed':
      return isSeal(value.seal);
    case 'chain.purged':
      return isUuid(value.of) && isCount(value.last) && isHash(value.last_hash);
    case 'chain.gap':
      return value.reason === 'not_written' || isNamedGap(value);
    case 'request.decided':
    case 'key.changed':
    case 'budget.changed':
    case 'config.changed':
    case 'chain.opened':
      return typeof value.reason === 'string';
    default:
      return type satisfies never;
  }
}

function isNamedGap({ of, first, last, chained_to: chainedTo }: Record<string, unknown>): boolean {
  return isUuid(of) && isCount(first) && isCount(last) && isHash(chainedTo);
}

/** As we write them: a day or an hour that no clock shows would be neither old nor young. */
function isMoment(value: unknown): boolean {
  if (typeof value !== 'string' || !MOMENT.test(value)) return false;
  const ms = Date.parse(value);
  return !Number.isNaN(ms) && new Date(ms).toISOString() === value;
}

function isSeal(value: unknown): value is Seal {
  if (!isObject(value) || !isUuid(value.of) || !isHash(value.last_hash) || !isHash(value.root)) return false;
  if (!isCount(value.first) || !isCount(value.last) || !isCount(value.count) || typeof value.key !== 'string')
    return false;
  return typeof value.signature === 'string' && SIGNATURE.test(value.signature);
}

export function isUuid(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value);
}

export function isHash(value: unknown): value is string {
  return typeof value === 'string' && HASH.test(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** The seal that a record carries; null where it carries none. */
export function sealOf(record: AuditRecord): Seal | null {
  return record.type === 'chain.checkpoint' || record.type === 'chain.closed' ? record.seal : null;
}
