import fc from 'fast-check';
import { decodeRuns } from '../../../src/filter/encoded-runs.js';
import { ScanBudget } from '../../../src/filter/engine/scan-budget.js';
import { ScanText } from '../../../src/filter/engine/scan-text.js';
import * as escapes from '../../../src/filter/escapes.js';
import * as normaliser from '../../../src/filter/normaliser.js';
import { runAtOnce } from '../../../src/filter/slices.js';
import { DerivedText, type SourceMap } from '../../../src/filter/source-map.js';
import * as spacedHex from '../../../src/filter/spaced-hex.js';

interface Decoded {
  readonly text: string;
  readonly map: SourceMap;
}

const finished = (derived: DerivedText | null): Decoded | null =>
  derived && { text: derived.finish().text, map: derived };
const foldUnicode = (text: string) => finished(normaliser.foldUnicode(ScanText.of(text)));
const decodeEscapes = (text: string) =>
  finished(runAtOnce(escapes.decodeEscapes(ScanText.of(text), ScanBudget.forCharacters(text.length))));
const decodeSpacedHex = (text: string) =>
  finished(spacedHex.decodeSpacedHex(ScanText.of(text), ScanBudget.forCharacters(text.length)));
const runsIn = (text: string) =>
  finished(runAtOnce(decodeRuns(ScanText.of(text), ScanBudget.forCharacters(text.length), () => true)));

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
        const derived = new DerivedText(ScanText.of(source));
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

        expect(derived.finish().text).toBe(list.map(({ kept, to }) => kept + to).join('') + rest);
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
  it('decodes JSON, percent and HTML escapes', () => {
    expect(decodeEscapes('a\\u0041\\n%42&#67;&#x44;\\x45 \\u{46} &lowbar;')?.text).toBe('aA\nBCDE F _');
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

describe('decoding hexadecimal with something between its bytes', () => {
  const plain = 'the words it says';
  const bytes = [...Buffer.from(plain)].map((byte) => byte.toString(16).padStart(2, '0'));

  it.each([
    ['blanks', bytes.join(' ')],
    ['colons', bytes.join(':')],
    ['commas and 0x', bytes.map((byte) => `0x${byte}`).join(', ')],
  ])('puts what it says in its place: %s', (_, written) => {
    const decoded = decodeSpacedHex(`dump: ${written}.`);
    expect(decoded?.text).toMatch(new RegExp(`^dump: (?:0x)?${plain}\\.$`));
    const at = decoded?.text.indexOf('words') ?? 0;
    const { start, end } = decoded?.map.toSource(at, at + 5) ?? { start: 0, end: 0 };
    expect(`dump: ${written}.`.slice(start, end).toLowerCase()).toContain('77');
    expect(end - start).toBeLessThan(5 * 6);
  });

  it('leaves numbers and times alone', () => {
    expect(decodeSpacedHex('10 20 30 40 50 60 70 80 90 10 20 30 01 02 03 04 05 06 07 08 at 10:20:30')).toBeNull();
  });

  it('never fails, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('6', 'a', '0x', ' ', ':', 'g', '\n'), maxLength: 400 }), (text) => {
        const decoded = decodeSpacedHex(text);
        for (let index = 0; index < (decoded?.text.length ?? 0); index++) {
          const { start, end } = decoded?.map.toSource(index, index + 1) ?? { start: 0, end: 0 };
          expect(start).toBeGreaterThanOrEqual(0);
          expect(end).toBeGreaterThan(start);
          expect(end).toBeLessThanOrEqual(text.length);
        }
      }),
    );
  });
});

describe('decoding runs', () => {
  it('leads back to the base64 that holds a stretch, over wrapped lines', () => {
    const plain = 'The first words of it, then the middle one, and then some more words to the end of all.';
    const wrapped = (
      Buffer.from(plain)
        .toString('base64')
        .match(/.{1,64}/g) ?? []
    ).join('\n');
    const source = `see: ${wrapped}!`;
    const run = runsIn(source);
    expect(run?.text).toBe(`see: ${plain}!`);
    const at = run?.text.indexOf('middle') ?? -1;
    const range = run?.map.toSource(at, at + 6);
    const encoded = source.slice(range?.start, range?.end).replaceAll('\n', '');
    expect(Buffer.from(encoded, 'base64').toString()).toContain('middle');
    expect(encoded.length).toBeLessThanOrEqual(12);
  });

  it('ignores what decodes to no text', () => {
    const random = Buffer.from(Array.from({ length: 300 }, (_, index) => (index * 151) % 256)).toString('base64');
    expect(runsIn(`${random} short words ${'0'.repeat(64)}`)).toBeNull();
  });

  it('never fails, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('A', 'b', '9', '/', '+', '=', '-', '\n', '\r', ' '), maxLength: 300 }),
        (text) => {
          const run = runsIn(text);
          for (let index = 0; index < (run?.text.length ?? 0); index++) {
            const { start, end } = run?.map.toSource(index, index + 1) ?? { start: 0, end: 0 };
            expect(start).toBeGreaterThanOrEqual(0);
            expect(end).toBeGreaterThan(start);
            expect(end).toBeLessThanOrEqual(text.length);
          }
        },
      ),
    );
  });
});
