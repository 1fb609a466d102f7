import fc from 'fast-check';
import { isCanonical, toCanonicalJson } from '../../../src/audit/audit-record.js';

const parsed = (line: string): object => JSON.parse(line) as object;

describe('isCanonical', () => {
  it('says of any object what writing it canonically says', () => {
    fc.assert(
      fc.property(fc.object({ maxDepth: 3, withNullPrototype: false }), (object) => {
        const line = JSON.stringify(object);
        expect(isCanonical(line, parsed(line))).toBe(toCanonicalJson(parsed(line)) === line);
        const canonical = toCanonicalJson(parsed(line));
        expect(isCanonical(canonical, parsed(canonical))).toBe(true);
      }),
    );
  });

  it.each([
    ['names out of order', '{"b":1,"a":2}'],
    ['names out of order further in', '{"a":[{"b":1,"a":2}]}'],
    ['names in the order of numbers, which is not that of text', '{"9":1,"10":2}'],
    ['a name that stands twice', '{"a":1,"a":1}'],
    ['blanks', '{"a": 1}'],
    ['a number in another form', '{"a":1.0}'],
    ['an escape that needs none', '{"a":"\\u0041"}'],
    ['a slash that is escaped', '{"a":"\\/"}'],
  ])('refuses %s', (_what, line) => {
    expect(isCanonical(line, parsed(line))).toBe(false);
  });
});
