import fc from 'fast-check';
import { generateApiKey, hashApiKey, isKeyEnvironment, isWellFormedKey } from '../../../src/auth/api-key.js';

const environments = fc.stringMatching(/^[a-z0-9]{1,16}$/);
const printable = fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code));

describe('an API key', () => {
  it('has the documented form: aegis, environment, 25 random characters, 7 of checksum', () => {
    fc.assert(
      fc.property(environments, (environment) => {
        const { key, prefix } = generateApiKey(environment);
        expect(key).toMatch(new RegExp(`^aegis-${environment}-[a-z0-9]{32}$`));
        expect(isWellFormedKey(key)).toBe(true);
        expect(key.startsWith(prefix)).toBe(true);
        expect(prefix).toMatch(new RegExp(`^aegis-${environment}-[a-z0-9]{6}$`));
      }),
    );
  });

  it('has the CRC-32 of all before it as its checksum, so that other tools can check it', () => {
    // CRC-32 of "aegis-dev-0000000000000000000000000", computed with Python's zlib.crc32.
    expect(isWellFormedKey('aegis-dev-00000000000000000000000000m5ukbr')).toBe(true);
  });

  it('is refused after any change of one character', () => {
    fc.assert(
      fc.property(environments, fc.nat(), printable, (environment, position, character) => {
        const { key } = generateApiKey(environment);
        const index = position % key.length;
        fc.pre(key[index] !== character);
        expect(isWellFormedKey(key.slice(0, index) + character + key.slice(index + 1))).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is refused after a character was lost, added or swapped with its different neighbour', () => {
    fc.assert(
      fc.property(fc.nat(), printable, (position, character) => {
        const { key } = generateApiKey('dev');
        const index = position % (key.length - 1);
        expect(isWellFormedKey(key.slice(0, index) + key.slice(index + 1))).toBe(false);
        expect(isWellFormedKey(key.slice(0, index) + character + key.slice(index))).toBe(false);
        fc.pre(key[index] !== key[index + 1]);
        expect(isWellFormedKey(key.slice(0, index) + key[index + 1] + key[index] + key.slice(index + 2))).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });

  it('never accepts arbitrary text, and never throws on it', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => expect(isWellFormedKey(text)).toBe(false)));
  });

  it('uses every character of its alphabet in every random position alike', () => {
    const seen = new Map<string, number>();
    for (let count = 0; count < 2_000; count += 1) {
      for (const character of generateApiKey('dev').key.slice('aegis-dev-'.length, -7)) {
        seen.set(character, (seen.get(character) ?? 0) + 1);
      }
    }
    const expected = (2_000 * 25) / 36;
    expect(seen.size).toBe(36);
    // Ten standard deviations: a bias of a remainder (a-d twice as often as others) is far outside.
    for (const times of seen.values()) expect(Math.abs(times - expected)).toBeLessThan(10 * Math.sqrt(expected));
  });

  it.each(['', 'PROD', 'a-b', 'seventeenletters1', 'ü', 'dev\n'])(
    'cannot be made for the environment %j',
    (environment) => {
      expect(isKeyEnvironment(environment)).toBe(false);
      expect(() => generateApiKey(environment)).toThrow(RangeError);
    },
  );

  it('is stored as HMAC-SHA-256 in lower-case hex', () => {
    // RFC 4231, test case 2.
    expect(hashApiKey('what do ya want for nothing?', 'Jefe')).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    );
  });
});
