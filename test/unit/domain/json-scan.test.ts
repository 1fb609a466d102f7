import fc from 'fast-check';
import { countMembers, scanJson } from '../../../src/domain/json-scan.js';

const MAX_DEPTH = 1_000;
const scan = (text: string) => scanJson(Buffer.from(text), MAX_DEPTH);

describe('scanJson', () => {
  it('finds the bytes of every member of the root object, whatever the spacing', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 1, 2, '\t'), (object, indent) => {
        const text = JSON.stringify(object, null, indent);
        const bytes = Buffer.from(text);
        const { members } = scanJson(bytes, MAX_DEPTH);
        const read = [...members].map(([key, { start, end }]) => [key, JSON.parse(bytes.toString('utf8', start, end))]);
        expect(read).toEqual(Object.entries(JSON.parse(text)));
      }),
    );
  });

  it('counts as many members as the parsed tree has, unless a key stands twice', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(scan(text).memberCount).toBe(countMembers(JSON.parse(text)).count);
      }),
    );
    const twice = '{"a":{"b":1,"c":2,"b":3}}';
    expect(scan(twice).memberCount).toBeGreaterThan(countMembers(JSON.parse(twice)).count);
  });

  it('takes keys as JSON means them, not as they are written', () => {
    expect([...scan('{"mo\\u0064el":"x"}').members.keys()]).toEqual(['model']);
  });

  it('is not misled by quotes, braces and backslashes inside strings', () => {
    const { members, depth } = scan('{"a":"\\\\\\"}],{[:","b":"\\\\"}');
    expect([...members.keys()]).toEqual(['a', 'b']);
    expect(depth).toBe(1);
  });

  it('stops at the depth limit without recursing', () => {
    expect(scanJson(Buffer.from('['.repeat(1_000_000)), 64).depth).toBe(65);
  });

  it('gives an answer for any bytes at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => scanJson(Buffer.from(bytes), 64)).not.toThrow();
      }),
    );
  });

  it('tells an own key named __proto__', () => {
    expect(countMembers(JSON.parse('{"a":[{"__proto__":{"x":1}}]}')).hostileKey).toBe(true);
    expect(countMembers(JSON.parse('{"a":"__proto__"}')).hostileKey).toBe(false);
  });
});
