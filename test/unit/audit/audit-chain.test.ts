import fc from 'fast-check';
import {
  buildRecord,
  NO_RECORD,
  parseRecord,
  type RequestDecided,
  sealOf,
  store,
  storeDecision,
  toCanonicalJson,
} from '../../../src/audit/audit-record.js';
import { hashLeaf, hashTree } from '../../../src/audit/merkle.js';
import { signedText } from '../../../src/audit/seal.js';
import { isSignedBy, trustKeys } from '../../../src/audit/signing-key.js';
import { AUDIT_DECISIONS } from '../../../src/domain/audit.js';
import { ChainBuilder, makeDecision, makeSigningKey } from '../../support/audit-chains.js';

const key = makeSigningKey();

describe('a chain', () => {
  it('numbers its records and gives each the hash of the one before', () => {
    const { records } = new ChainBuilder(key).events(3).seal().event().close();
    expect(records.map(({ record }) => record.seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(records.map(({ record }) => record.prev)).toEqual([
      NO_RECORD,
      ...records.slice(0, -1).map(({ line }) => hashLeaf(line)),
    ]);
  });

  it('leaves no hole where a record could not be written', () => {
    const builder = new ChainBuilder(key);
    builder.chain.draft(makeDecision(), '2027-01-31T12:00:00.000Z');
    builder.event();
    expect(builder.records.map(({ record }) => record.seq)).toEqual([1, 2]);
  });

  it('seals everything since the seal before, under the key it names', () => {
    const { records } = new ChainBuilder(key).events(3).seal().events(2).seal();
    const [first, second] = records.filter(({ record }) => record.type === 'chain.checkpoint');
    if (first?.record.type !== 'chain.checkpoint' || second?.record.type !== 'chain.checkpoint')
      throw new Error('no seals');
    expect(first.record.seal).toMatchObject({ first: 1, last: 4, count: 4, key: key.id });
    expect(second.record.seal).toMatchObject({ first: 6, last: 7, count: 2 });
    expect(first.record.seal.root).toBe(hashTree(records.slice(0, 4).map(({ hash }) => hash)));
    const trusted = trustKeys([key.publicPem]).get(key.id);
    if (!trusted) throw new Error('no key');
    for (const { record } of [first, second]) {
      if (record.type !== 'chain.checkpoint') throw new Error('no seal');
      expect(isSignedBy(trusted, signedText(record), record.seal.signature)).toBe(true);
      expect(isSignedBy(trusted, signedText({ ...record, seq: record.seq + 1 }), record.seal.signature)).toBe(false);
    }
    expect(sealOf(first.record)?.last_hash).toBe(first.record.prev);
  });
});

describe('a record as text', () => {
  it('is read back as it was written, and from no other text', () => {
    const { line } = store({
      ...makeDecision(),
      v: 1,
      writer: crypto.randomUUID(),
      seq: 1,
      prev: NO_RECORD,
      at: '2027-01-31T12:00:00.000Z',
    });
    expect(parseRecord(line)?.line).toBe(line);
    for (const text of [
      ` ${line}`,
      `${line} `,
      line.replace(',', ', '),
      line.replace('{', '{"z":1,'),
      line.replace('"acme"', '"\\u0061cme"'),
    ]) {
      expect(parseRecord(text)).toBeNull();
    }
  });

  it('is canonical as RFC 8785 has it: members by UTF-16 units, the shortest escapes', () => {
    expect(toCanonicalJson({ '\ufb33': 1, '😀': 2, b: '\u0001\n"', a: [null, true, 1e21] })).toBe(
      '{"a":[null,true,1e+21],"b":"\\u0001\\n\\"","😀":2,"\ufb33":1}',
    );
  });

  it('of a decision is made in another way, and is the same', () => {
    const name = () => fc.option(fc.string({ unit: 'grapheme' }), { nil: undefined });
    const target = () => fc.option(fc.record({ provider: fc.string(), model: fc.string() }), { nil: undefined });
    const decisions = fc.record<RequestDecided>({
      type: fc.constant('request.decided'),
      decision: fc.constantFrom(...AUDIT_DECISIONS),
      reason: fc.constantFrom('permitted', 'rule', 'header', 'timeout', 'content_filter'),
      request_id: name(),
      usage_id: name(),
      key_id: name(),
      organization: name(),
      team: name(),
      user: name(),
      project: name(),
      model: name(),
      level: fc.constantFrom('PUBLIC', undefined),
      from_level: fc.constantFrom('PUBLIC', undefined),
      target: target(),
      from_target: target(),
      rules: fc.option(fc.array(fc.record({ rule: fc.string(), filter: fc.string(), count: fc.nat() })), {
        nil: undefined,
      }),
      more_rules: fc.option(fc.nat(), { nil: undefined }),
      direction: fc.constantFrom('request', 'response', undefined),
      count: fc.option(fc.nat(), { nil: undefined }),
    });
    const place = { writer: crypto.randomUUID(), seq: 7, prev: NO_RECORD, at: '2027-01-31T12:00:00.000Z' };
    fc.assert(
      fc.property(decisions, (event) => {
        const stored = storeDecision(event, place);
        expect(stored.line).toBe(store(buildRecord(event, place)).line);
        expect(parseRecord(stored.line)?.hash).toBe(stored.hash);
      }),
    );
    expect(() => storeDecision(makeDecision({ organization: '\ud800' }), place)).toThrow();
  });

  it('throws nothing over any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => parseRecord(text) === null));
    fc.assert(fc.property(fc.json(), (text) => parseRecord(text) === null));
  });
});
