import fc from 'fast-check';
import type { DatedKey } from '../../../src/auth/stored-key.codec.js';
import { StoredKeyCodec } from '../../../src/auth/stored-key.codec.js';
import { CLASSIFICATIONS } from '../../../src/domain/classification.js';
import type { Principal } from '../../../src/domain/principal.js';

const text = fc.string({ unit: 'grapheme' });
const limit = fc.option(fc.integer({ min: 1 }));
const hashes = fc.stringMatching(/^[0-9a-f]{64}$/);
const datedKeys: fc.Arbitrary<DatedKey> = fc.record({
  verifiedAtMs: fc.nat(),
  key: fc.record({
    status: fc.constantFrom('active' as const, 'revoked' as const),
    principal: fc.record({
      keyId: fc.uuid(),
      keyPrefix: text,
      keyName: text,
      organization: text,
      team: text,
      user: fc.option(text),
      defaultClassification: fc.constantFrom(...CLASSIFICATIONS),
      maxClassification: fc.constantFrom(...CLASSIFICATIONS),
      allowedModels: fc.option(fc.array(text)),
      rpmLimit: limit,
      tpmLimit: limit,
      maxParallelRequests: limit,
      budgetNanoUsd: fc.option(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })),
      budgetWindow: fc.option(fc.constantFrom('day' as const, 'month' as const)),
      expiresAtMs: fc.option(fc.nat()),
      mayExplain: fc.boolean(),
    }),
  }),
});
const codec = new StoredKeyCodec('p'.repeat(32));

describe('an entry in a store that is not trusted', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(hashes, datedKeys, (hash, dated) => {
        expect(codec.decode(hash, codec.encode(hash, dated))).toEqual(dated);
      }),
    );
  });

  it('gives no right to explain where an older version wrote it, which knew of none', () => {
    fc.assert(
      fc.property(hashes, datedKeys, (hash, dated) => {
        const { mayExplain: _unknown, ...principal } = dated.key.principal;
        const older = codec.encode(hash, { ...dated, key: { ...dated.key, principal: principal as Principal } });
        expect(older).not.toContain('mayExplain');
        expect(codec.decode(hash, older)?.key.principal).toEqual({ ...principal, mayExplain: false });
      }),
    );
  });

  it('is nothing under another hash, or sealed with another pepper', () => {
    const other = new StoredKeyCodec('q'.repeat(32));
    fc.assert(
      fc.property(hashes, hashes, datedKeys, (hash, otherHash, dated) => {
        fc.pre(hash !== otherHash);
        expect(codec.decode(otherHash, codec.encode(hash, dated))).toBeNull();
        expect(codec.decode(hash, other.encode(hash, dated))).toBeNull();
      }),
    );
  });

  it('is nothing after any change, cut or addition', () => {
    fc.assert(
      fc.property(hashes, datedKeys, fc.nat(), fc.string({ minLength: 1 }), (hash, dated, position, noise) => {
        const entry = codec.encode(hash, dated);
        const index = position % entry.length;
        const changed = entry.slice(0, index) + noise + entry.slice(index + 1);
        fc.pre(changed !== entry);
        // Base64 ignores what is not of its alphabet, and the unused bits of its last digit: the seal itself must differ.
        const sealOf = (candidate: string): string =>
          Buffer.from(candidate.split('.')[1] ?? '', 'base64url').toString('hex');
        fc.pre(index > entry.indexOf('.', 3) || sealOf(changed) !== sealOf(entry));
        expect(codec.decode(hash, changed)).toBeNull();
        expect(codec.decode(hash, entry.slice(0, index))).toBeNull();
      }),
      { numRuns: 500 },
    );
  });

  it('is nothing where it is any text', () => {
    fc.assert(fc.property(hashes, fc.string(), (hash, noise) => expect(codec.decode(hash, noise)).toBeNull()));
  });
});
