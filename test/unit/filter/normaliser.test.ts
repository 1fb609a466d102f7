import fc from 'fast-check';
import { decodeRuns } from '../../../src/filter/encoded-runs.js';
import { ScanBudget } from '../../../src/filter/engine/scan-budget.js';
import { decodeEscapes, foldUnicode } from '../../../src/filter/normaliser.js';
import { DerivedText } from '../../../src/filter/source-map.js';

const anyText = fc.string({
  unit: fc.constantFrom(
    'a',
    'Z',
    '7',
    ' ',
    '%41',
    '%',
    '\\u0042',
    '\\',
    '\\n',
    '&quot;',
    '&',
    '\u200b',
    'ﬁ',
    'é',
    'e\u0301',
    '漢',
    '😀',
    '𝐀',
    '\ud800',
    'а',
    '…',
  ),
  maxLength: 60,
});

describe('a derived text', () => {
  it('leads every stretch back to where it came from, for any replacements', () => {
    const pieces = fc.array(
      fc.record({
        kept: fc.string({ maxLength: 5 }),
        from: fc.string({ minLength: 1, maxLength: 4 }),
        to: fc.string({ maxLength: 4 }),
      }),
    );
    fc.assert(
      fc.property(pieces, fc.string({ maxLength: 5 }), (list, rest) => {
        const source = list.map(({ kept, from }) => kept + from).join('') + rest;
        const derived = new DerivedText(source);
        const origins: [number, number][] = [];
        let at = 0;
        for (const { kept, from, to } of list) {
          for (const _ of Array(kept.length)) origins.push([at, ++at]);
          derived.replace(at, at + from.length, to);
          for (const index of Array(to.length).keys()) {
            origins.push(
              to.length === from.length && to.length === 1 ? [at + index, at + index + 1] : [at, at + from.length],
            );
          }
          at += from.length;
        }
        for (const _ of Array(rest.length)) origins.push([at, ++at]);

        expect(derived.finish()).toBe(list.map(({ kept, to }) => kept + to).join('') + rest);
        origins.forEach(([start, end], index) => {
          expect(derived.toSource(index, index + 1)).toEqual({ start, end });
        });
        if (origins.length > 0) {
          expect(derived.toSource(0, origins.length)).toEqual({ start: origins[0]?.[0], end: origins.at(-1)?.[1] });
        }
      }),
    );
  });
});

describe('folding Unicode', () => {
  it('leaves ASCII alone', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme-ascii' }), (text) => foldUnicode(text) === null));
  });

  it('strips what cannot be seen and gives compatibility forms, with the way back', () => {
    const text = 'g\u200bh\u00adｐ＿𝐀é\u0301';
    const folded = foldUnicode(text);
    expect(folded?.text).toBe('ghp_Aé');
    expect(folded?.map.toSource(0, 2)).toEqual({ start: 0, end: 3 });
    expect(folded?.map.toSource(2, 5)).toEqual({ start: 4, end: 8 });
  });

  it('never loses its place, whatever the text', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const folded = foldUnicode(text);
        if (!folded) return;
        for (let index = 0; index < folded.text.length; index++) {
          const { start, end } = folded.map.toSource(index, index + 1);
          expect(end).toBeGreaterThan(start);
          expect(foldUnicode(text.slice(start, end))?.text ?? text.slice(start, end)).toContain(folded.text[index]);
        }
      }),
    );
  });
});

describe('decoding escapes', () => {
  it('decodes one level of JSON, percent and HTML escapes', () => {
    expect(decodeEscapes('a\\u0041\\n%42&#67;&#x44;\\x45\\\\u0041')?.text).toBe('aA\nBCDE\\u0041');
  });

  it('never loses its place, whatever the text', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const decoded = decodeEscapes(text);
        if (!decoded) return;
        let last = 0;
        for (let index = 0; index < decoded.text.length; index++) {
          const { start, end } = decoded.map.toSource(index, index + 1);
          expect(start).toBeGreaterThanOrEqual(last === 0 ? 0 : last - 12);
          expect(end).toBeGreaterThan(start);
          expect(end).toBeLessThanOrEqual(text.length);
          last = end;
        }
      }),
    );
  });
});

describe('decoding runs', () => {
  const runsIn = (text: string) =>
    [...decodeRuns(text, ScanBudget.forCharacters(text.length))].filter((run) => run !== null);

  it('leads back to the base64 that holds a stretch, over wrapped lines', () => {
    const plain = 'The first words of it, then the middle one, and then some more words to the end of all.';
    const wrapped = (
      Buffer.from(plain)
        .toString('base64')
        .match(/.{1,64}/g) ?? []
    ).join('\n');
    const source = `see: ${wrapped}!`;
    const run = runsIn(source).find(({ text }) => text.startsWith('The first'));
    const at = run?.text.indexOf('middle') ?? -1;
    const range = run?.map.toSource(at, at + 6);
    const encoded = source.slice(range?.start, range?.end).replaceAll('\n', '');
    expect(Buffer.from(encoded, 'base64').toString()).toContain('middle');
    expect(encoded.length).toBeLessThanOrEqual(12);
  });

  it('ignores what decodes to no text', () => {
    const random = Buffer.from(Array.from({ length: 300 }, (_, index) => (index * 151) % 256)).toString('base64');
    expect(runsIn(`${random} short words ${'0'.repeat(64)}`)).toEqual([]);
  });

  it('never fails, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('A', 'b', '9', '/', '+', '=', '-', '\n', '\r', ' '), maxLength: 300 }),
        (text) => {
          for (const run of runsIn(text)) {
            const { start, end } = run.map.toSource(0, run.text.length);
            expect(start).toBeGreaterThanOrEqual(0);
            expect(end).toBeLessThanOrEqual(text.length);
          }
        },
      ),
    );
  });
});
