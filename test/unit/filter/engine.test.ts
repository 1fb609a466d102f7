import fc from 'fast-check';
import { AnchorAutomaton } from '../../../src/filter/engine/anchor-automaton.js';
import { AnchorFilter, REACH, READ_ON, SEEN_BEFORE } from '../../../src/filter/engine/anchor-filter.js';
import { PatternOutline } from '../../../src/filter/engine/pattern-outline.js';
import { RunMemory } from '../../../src/filter/engine/run-memory.js';
import { ScanText } from '../../../src/filter/engine/scan-text.js';
import { SHIPPED_RULES } from './support.js';

const WORDS = ['ghp_', 'sk-', 'SG.', 'SK', '@', 'eyJ', 'aws', 'Größe', '密钥', 'a', 'aab'];

describe('the filter before the automaton', () => {
  it('never passes over the beginning of an anchor, wherever it stands and wherever reading goes on', () => {
    const filter = new AnchorFilter();
    for (const word of WORDS) filter.add(word, false);
    const texts = fc.array(fc.oneof(fc.constantFrom(...WORDS), fc.string({ maxLength: 6 })), { maxLength: 8 });
    fc.assert(
      fc.property(texts, fc.infiniteStream(fc.nat(3)), (pieces, jumps) => {
        const text = pieces.join('');
        const scanned = ScanText.of(text);
        const reading = { index: 0, bits: 0 };
        const beginnings = (from: number, to: number): string[] =>
          WORDS.flatMap((word) => {
            const places = Array.from({ length: Math.max(0, to - from) }, (_, index) => Math.max(0, from) + index);
            return places.filter((at) => at < to && text.startsWith(word, at)).map((at) => `${word} at ${at}`);
          });
        for (let from = 0; from < text.length; ) {
          reading.index = from;
          const stopped = filter.skip(reading, scanned.units, text.length + READ_ON);
          expect(beginnings(from - SEEN_BEFORE, stopped ? reading.index - REACH : text.length)).toEqual([]);
          if (!stopped) break;
          from = reading.index + (jumps.next().value ?? 0);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('tells of all that it read whether it was ASCII', () => {
    const reading = { index: 0, bits: 0 };
    new AnchorFilter().skip(reading, ScanText.of('plain').units, 5);
    expect(reading.bits).toBeLessThan(128);
    reading.index = 0;
    new AnchorFilter().skip(reading, ScanText.of('pläin').units, 5);
    expect(reading.bits).toBeGreaterThan(127);
  });
});

describe('the automaton', () => {
  it('finds every word where it ends, in any case', () => {
    const automaton = new AnchorAutomaton(WORDS);
    const texts = fc.array(fc.oneof(fc.constantFrom(...WORDS), fc.string({ maxLength: 4 })), { maxLength: 6 });
    fc.assert(
      fc.property(texts, fc.boolean(), (pieces, upper) => {
        const text = upper ? pieces.join('').toUpperCase() : pieces.join('');
        let state = 0;
        for (let index = 0; index < text.length; index++) {
          state = automaton.next[state * automaton.width + (automaton.columnOf[text.charCodeAt(index)] ?? 0)] ?? 0;
          const ending = automaton.endsWord[state] === 1 ? automaton.wordsEndingIn(state) : [];
          const expected = WORDS.flatMap((word, number) => {
            const tail = text.slice(0, index + 1).slice(-word.length);
            return tail.toLowerCase() === word.toLowerCase() ? [number] : [];
          });
          expect([...ending].sort()).toEqual(expected.sort());
        }
      }),
    );
  });
});

describe('the outline of a pattern', () => {
  /** Texts that a pattern matches, and the same with something changed. */
  const nearly = (example: string) =>
    fc
      .tuple(
        fc.nat(example.length),
        fc.nat(3),
        fc.constantFrom('', 'a', 'A1', '-', '.', ' ', '"', 'é', 'a1B2c3D4e5F6'.repeat(30)),
      )
      .map(([at, length, put]) => example.slice(0, at) + put + example.slice(at + length));

  it.each(SHIPPED_RULES)('never refuses what the pattern of $id matches', (rule) => {
    const memory = new RunMemory();
    const outlines = rule.anchors.slice(0, 3).map((anchor) => ({
      skipped: rule.valueWithin === null && rule.lead === 0 ? anchor.length : 0,
      outline: PatternOutline.of(rule, rule.valueWithin === null && rule.lead === 0 ? anchor : '', memory),
      anchor,
    }));
    const body = 'a1B2c3D4e5F6g7H8'.repeat(40);
    for (const { outline, anchor, skipped } of outlines) {
      if (!outline) continue;
      const samples = [`${anchor}${body.slice(0, rule.minLength)}`, `${anchor}${'0123456789abcdef'.repeat(20)}`];
      for (const sample of samples) {
        fc.assert(
          fc.property(nearly(sample), (text) => {
            const scanned = ScanText.of(text);
            const base = memory.takeBase(text.length);
            for (let at = 0; at < Math.min(text.length, 8); at++) {
              if (skipped > 0 && !text.startsWith(anchor, at)) continue;
              rule.matcher.lastIndex = at;
              const found = rule.matcher.exec(text);
              const isFree = found !== null && at + found[0].length === text.length;
              if (isFree) expect(outline.mayMatch(scanned.units, text.length, at + skipped, base, memory)).toBe(true);
            }
            scanned.release();
          }),
          { numRuns: 20 },
        );
      }
    }
  });
});
