import {
  type ChainGap,
  parseRecord,
  type StoredRecord,
  store,
  toCanonicalJson,
} from '../../../src/audit/audit-record.js';
import { signSeal } from '../../../src/audit/seal.js';
import type { AuditFault } from '../../../src/audit/verify/verification.js';
import { AT, ChainBuilder, makeSigningKey, NOW_MS, verifyLines } from '../../support/audit-chains.js';

const key = makeSigningKey();

/** Three seals, nineteen records: 1–7 sealed by 8, 9–13 by 14, 15–18 by 19. */
function makeChain(): ChainBuilder {
  return new ChainBuilder(key).events(6).seal().events(5).seal().events(4).close();
}

function firstOf(lines: readonly string[]): { fault: AuditFault; record: string | null; place: number } | null {
  const [first] = verifyLines(lines, key, { allSealed: true }).problems;
  return first ? { fault: first.fault, record: first.record, place: first.place } : null;
}

/** The same record with something else in it, chained as it was. */
function alter(line: string, from: string | RegExp, to: string): string {
  const altered = line.replace(from, to);
  if (altered === line) throw new Error('nothing was altered');
  return altered;
}

describe('the verifier', () => {
  it('finds nothing wrong with chains as they were written', () => {
    const one = makeChain();
    const two = makeChain();
    expect(verifyLines([...one.lines, ...two.lines], key, { allSealed: true })).toMatchObject({
      problems: [],
      records: 38,
      chains: 2,
      seals: 6,
      unsealed: 0,
    });
  });

  it('lets young records wait for their seal, and no old ones', () => {
    const { lines } = new ChainBuilder(key).events(3);
    expect(verifyLines(lines, key)).toMatchObject({ problems: [], unsealed: 4 });
    const late = verifyLines(lines, key, { nowMs: NOW_MS + 3_600_000 });
    expect(late.problems[0]).toMatchObject({ fault: 'unsealed', place: 1 });
  });

  it.each(['2026-13-45T99:99:99.999Z', '2026-02-30T12:00:00.000Z', '2026-10-31T24:00:00.000Z'])(
    'is not taken in by a moment that there is not: %s',
    (at) => {
      const { lines } = new ChainBuilder(makeSigningKey()).events(3);
      const timeless = lines.map((line) => alter(line, /"at":"[^"]+"/, `"at":"${at}"`));
      expect(firstOf(timeless)).toMatchObject({ fault: 'altered', place: 1 });
    },
  );

  it.each(Array.from({ length: 19 }, (_, index) => index))('names a record that was altered: number %i', (index) => {
    const chain = makeChain();
    const lines = [...chain.lines];
    lines[index] = alter(lines[index] ?? '', /"at":"2026/, '"at":"2025');
    expect(firstOf(lines)).toEqual({ fault: 'altered', record: `${chain.writer}:${index + 1}`, place: index + 1 });
  });

  it.each(Array.from({ length: 18 }, (_, index) => index + 1))(
    'names a record whose link was altered: number %i',
    (index) => {
      const chain = makeChain();
      const lines = [...chain.lines];
      lines[index] = alter(lines[index] ?? '', /"prev":"[0-9a-f]{4}/, '"prev":"0000');
      expect(firstOf(lines)).toEqual({ fault: 'altered', record: `${chain.writer}:${index + 1}`, place: index + 1 });
    },
  );

  it.each(Array.from({ length: 18 }, (_, index) => index))('names a record that is missing: number %i', (index) => {
    const chain = makeChain();
    const lines = chain.lines.filter((_, at) => at !== index);
    const fault = firstOf(lines);
    expect(fault).toMatchObject({ fault: 'missing', place: index + 1 });
    expect(fault?.record).toBe(`${chain.writer}:${index === 0 ? 2 : index + 1}`);
  });

  it('names a chain that ends too early', () => {
    const chain = makeChain();
    expect(firstOf(chain.lines.slice(0, -1))).toEqual({ fault: 'truncated', record: `${chain.writer}:18`, place: 18 });
  });

  it.each(Array.from({ length: 18 }, (_, index) => index))(
    'names records that were exchanged: number %i and the next',
    (index) => {
      const chain = makeChain();
      const lines = [...chain.lines];
      [lines[index], lines[index + 1]] = [lines[index + 1] ?? '', lines[index] ?? ''];
      const [first] = verifyLines(lines, key, { allSealed: true }).problems;
      expect(first).toMatchObject({ fault: 'reordered', place: index + 1 });
    },
  );

  it('names a record that stands there twice', () => {
    const chain = makeChain();
    const lines = [...chain.lines];
    lines.splice(5, 0, lines[4] ?? '');
    expect(firstOf(lines)).toEqual({ fault: 'inserted', record: `${chain.writer}:5`, place: 6 });
  });

  it.each([4, 5])('names the wrong one of two records that claim one place, in whichever order: %i', (at) => {
    const chain = makeChain();
    const lines = [...chain.lines];
    const fork = forge(chain.records[4], { organization: 'evil' });
    lines.splice(at, 0, fork.line);
    expect(firstOf(lines)).toEqual({ fault: 'forked', record: `${chain.writer}:5`, place: at + 1 });
    expect(verifyLines(lines, key, { allSealed: true }).problems).toHaveLength(1);
  });

  it('is not taken in by a chain that was made anew behind a change', () => {
    const chain = makeChain();
    const forged = rechain(chain.records, 4, { organization: 'evil' }, (record) => record);
    expect(firstOf(forged.map(({ line }) => line))).toEqual({
      fault: 'altered',
      record: `${chain.writer}:8`,
      place: 8,
    });
  });

  it('names a seal that somebody else signed', () => {
    const chain = makeChain();
    const thief = makeSigningKey();
    const forged = rechain(chain.records, 4, { organization: 'evil' }, ({ record }) => {
      if (record.type !== 'chain.checkpoint' && record.type !== 'chain.closed') throw new Error('no seal');
      return store(signSeal({ ...record, seal: { ...record.seal, key: thief.id } }, thief));
    });
    expect(firstOf(forged.map(({ line }) => line))).toEqual({
      fault: 're-signed',
      record: `${chain.writer}:8`,
      place: 8,
    });
  });

  it('finds a chain of somebody without the key', () => {
    const forged = new ChainBuilder(makeSigningKey()).events(3).close();
    expect(firstOf([...makeChain().lines, ...forged.lines])?.fault).toBe('re-signed');
    const unsealed = new ChainBuilder(key).events(3);
    expect(firstOf([...makeChain().lines, ...unsealed.lines])?.fault).toBe('truncated');
  });

  it('finds chains that were mixed', () => {
    const [one, two] = [makeChain(), makeChain()];
    const lines = [...one.lines.slice(0, 18), ...two.lines.slice(0, 1), ...one.lines.slice(18), ...two.lines.slice(1)];
    expect(firstOf(lines)).toEqual({ fault: 'reordered', record: `${one.writer}:19`, place: 20 });
  });
});

describe('what a chain cannot say itself', () => {
  const dead = (): ChainBuilder => new ChainBuilder(key).events(2).seal().events(3);
  const heirOf = ({ records, writer }: ChainBuilder): ChainBuilder => {
    const heir = new ChainBuilder(key);
    const left = records.slice(4);
    const hashes = left.map(({ hash }) => hash);
    const last = records.at(-1);
    heir.add(heir.chain.draftHeirSeal({ of: writer, first: 5, last: 7, lastHash: last?.hash ?? '', hashes }, AT));
    return heir.close();
  };

  it('its heir says: that it died, and how far it had come', () => {
    const chain = dead();
    const heir = heirOf(chain);
    expect(verifyLines([...chain.lines, ...heir.lines], key, { allSealed: true }).problems).toEqual([]);
    expect(firstOf([...chain.lines.slice(0, -1), ...heir.lines])).toMatchObject({
      fault: 'truncated',
      record: `${chain.writer}:6`,
    });
    const lines = [...chain.lines];
    lines[6] = alter(lines[6] ?? '', '"acme"', '"evil"');
    expect(firstOf([...lines, ...heir.lines])).toMatchObject({ fault: 'altered', record: `${chain.writer}:7` });
    lines[6] = chain.lines[6] ?? '';
    lines[4] = alter(lines[4] ?? '', '"acme"', '"evil"');
    expect(firstOf([...lines, ...heir.lines])).toMatchObject({ fault: 'altered', record: `${chain.writer}:5` });
    expect(firstOf([...chain.lines, ...heir.lines.slice(0, -1)])).toBeNull();
    expect(firstOf(heir.lines)).toMatchObject({ fault: 'missing', record: `${chain.writer}:1` });
  });

  it('another says of its gaps, once that is sealed', () => {
    const chain = makeChain();
    const torn = chain.lines.filter((_, index) => index !== 4 && index !== 5);
    const teller = new ChainBuilder(key);
    teller.event(gapOf(chain, 5, 6));
    expect(verifyLines([...torn, ...teller.lines], key).problems[0]).toMatchObject({
      fault: 'missing',
      record: `${chain.writer}:5`,
    });
    teller.seal();
    const verified = verifyLines([...torn, ...teller.lines], key);
    expect(verified.problems).toEqual([]);
    expect(verified.notes).toEqual([`${chain.writer}: records 5 to 6 are missing, and accounted for`]);
    const more = chain.lines.filter((_, index) => index < 4 || index > 6);
    expect(verifyLines([...more, ...teller.lines], key).problems[0]).toMatchObject({ fault: 'missing' });
  });

  it('a gap leaves nothing before it that could be made anew, and no room within it', () => {
    const chain = makeChain();
    const teller = new ChainBuilder(key).event(gapOf(chain, 5, 6)).seal();
    const unsigned = (record: StoredRecord): StoredRecord => record;
    const forged = rechain(chain.records.slice(0, 4), 2, { organization: 'evil' }, unsigned).map(({ line }) => line);
    expect(verifyLines([...forged, ...chain.lines.slice(6), ...teller.lines], key).problems[0]).toMatchObject({
      fault: 'missing',
      record: `${chain.writer}:5`,
    });
    const planted = forge(chain.records[4], { organization: 'evil' });
    const lines = [...chain.lines.slice(0, 4), planted.line, ...chain.lines.slice(6), ...teller.lines];
    expect(verifyLines(lines, key).problems[0]).toMatchObject({ fault: 'missing', record: `${chain.writer}:6` });
  });

  it('a purge leaves no room for records in the place of those that are gone', () => {
    const chain = makeChain();
    const purge = new ChainBuilder(key);
    const last_hash = chain.records[7]?.hash ?? '';
    purge
      .event({ type: 'chain.purged', reason: 'retention', of: chain.writer, last: 8, last_hash, before: AT })
      .close();
    const planted = forge(chain.records[4], { organization: 'evil' });
    expect(
      verifyLines([planted.line, ...chain.lines.slice(8), ...purge.lines], key, { allSealed: true }).problems[0],
    ).toMatchObject({ fault: 'missing', record: `${chain.writer}:6` });
  });

  it('a purge says of what is gone, once that is sealed', () => {
    const chain = makeChain();
    const cut = chain.records[7] as StoredRecord;
    const purge = new ChainBuilder(key);
    const rest = chain.lines.slice(8);
    purge.event({
      type: 'chain.purged',
      reason: 'retention',
      of: chain.writer,
      last: 8,
      last_hash: cut.hash,
      before: AT,
    });
    expect(verifyLines([...rest, ...purge.lines], key).problems[0]).toMatchObject({
      fault: 'missing',
      record: `${chain.writer}:9`,
    });
    purge.close();
    expect(verifyLines([...rest, ...purge.lines], key).problems).toEqual([]);
    // Nothing more may go with it.
    expect(verifyLines([...chain.lines.slice(9), ...purge.lines], key).problems[0]).toMatchObject({ fault: 'missing' });
    // Removed half of it so far.
    expect(verifyLines([...chain.lines.slice(4), ...purge.lines], key).problems).toEqual([]);
    expect(verifyLines(purge.lines, key).problems).toEqual([]);
  });

  it('nobody without the key can say', () => {
    const chain = makeChain();
    const thief = new ChainBuilder(makeSigningKey());
    thief.event(gapOf(chain, 5, 6)).close();
    const torn = chain.lines.filter((_, index) => index !== 4 && index !== 5);
    const faults = verifyLines([...torn, ...thief.lines], key).problems.map(({ fault }) => fault);
    expect(faults).toContain('missing');
    expect(faults).toContain('re-signed');
  });
});

function gapOf({ writer, records }: ChainBuilder, first: number, last: number): ChainGap {
  const chained_to = records[first - 2]?.hash ?? '';
  return { type: 'chain.gap', reason: 'damaged', of: writer, first, last, chained_to };
}

function forge(stored: StoredRecord | undefined, changes: object): StoredRecord {
  const { line } = stored ?? { line: '' };
  const forged = parseRecord(toCanonicalJson({ ...(JSON.parse(line) as object), ...changes }));
  if (!forged) throw new Error('the forgery is no record');
  return forged;
}

/** What somebody makes who can write everything and has no key: a record changed, and all behind it chained anew. */
function rechain(
  records: readonly StoredRecord[],
  index: number,
  changes: object,
  sign: (record: StoredRecord) => StoredRecord,
): StoredRecord[] {
  const forged = records.slice(0, index);
  for (const [at, original] of records.slice(index).entries()) {
    const prev = forged.at(-1)?.hash;
    const isSeal = 'seal' in original.record;
    const seal = isSeal ? { seal: { ...(original.record as { seal: object }).seal, last_hash: prev } } : {};
    const made = forge(original, { ...(at === 0 && changes), ...(prev && { prev }), ...seal });
    forged.push(isSeal ? sign(made) : made);
  }
  return forged;
}
