import fc from 'fast-check';
import { parseExactly, restoreNumbers, stringifyExactly } from '../../../../src/router/adapters/exact-numbers.js';

describe('numbers that JavaScript would round', () => {
  it.each([
    '9223372036854775807',
    '-9007199254740993',
    '3.14159265358979323846',
    '1e400',
    '-2.5E-400',
    '12345678901234567890123456789',
    '1.0000000000000000001',
  ])('come out as %s went in, at any place', (number) => {
    for (const json of [number, `[${number}]`, `{"a":{"b":[1,${number},"${number}"]}}`, `{"${number}":${number}}`]) {
      expect(stringifyExactly(parseExactly(json))).toBe(json);
    }
  });

  it('leave every other text as JSON.parse and JSON.stringify have it', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(JSON.parse(stringifyExactly(parseExactly(json)))).toEqual(JSON.parse(json));
      }),
    );
  });

  it('keep any integer, between any texts', () => {
    fc.assert(
      fc.property(fc.bigInt(), fc.string(), fc.string(), (integer, key, text) => {
        const json = `{${JSON.stringify(`k${key}`)}:[${integer},${JSON.stringify(text)}]}`;
        expect(stringifyExactly(parseExactly(json))).toBe(json);
      }),
    );
  });

  it('are found behind a long text with escapes', () => {
    const json = `{"text":${JSON.stringify('a"\\\n'.repeat(2_000_000))},"id":9223372036854775807}`;
    expect(stringifyExactly(parseExactly(json)) === json).toBe(true);
  });

  it('are not made of a text that only looks like one', () => {
    const text = '"number-0123456789abcdef0123456789abcdef:12"';
    expect(restoreNumbers(text)).toBe(text);
  });

  it('cannot hide that a text is no JSON', () => {
    expect(() => parseExactly('{"a": 01234567890123456789}')).toThrow(SyntaxError);
    expect(() => parseExactly('{"a": 1234567890123456789')).toThrow(SyntaxError);
  });
});
