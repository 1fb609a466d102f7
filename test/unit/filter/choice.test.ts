import fc from 'fast-check';
import type { FilterAction } from '../../../src/domain/finding.js';
import { type Candidate, choose, strengthOf } from '../../../src/filter/choice.js';

/** Acts upon all it matches, unless told what surrounds it. */
function found(rule: string, action: FilterAction, start: number, end: number, whole = { start, end }): Candidate {
  return { rule, action, start, end, wholeStart: whole.start, wholeEnd: whole.end };
}

function chosen(...candidates: Candidate[]): string[] {
  return choose(candidates).map(({ candidate, action }) => `${candidate.rule} ${String(action)}`);
}

const raise = (raiseTo: 'CONFIDENTIAL' | 'RESTRICTED'): FilterAction => ({ raiseTo });

describe('of matches that overlap', () => {
  it('all count where none lies in another and none rewrites', () => {
    expect(chosen(found('a', 'block', 0, 5), found('b', 'flag', 3, 8), found('c', 'block', 20, 30))).toEqual([
      'a block',
      'b flag',
      'c block',
    ]);
  });

  it('the one inside another of the same action is dropped', () => {
    expect(chosen(found('inner', 'block', 5, 9), found('outer', 'block', 0, 10))).toEqual(['outer block']);
  });

  it('a flag hides no block, however much it covers', () => {
    expect(chosen(found('outer', 'flag', 0, 10), found('inner', 'block', 5, 9))).toEqual(['outer flag', 'inner block']);
    expect(chosen(found('a', 'flag', 0, 10), found('b', 'block', 0, 10))).toEqual(['b block']);
  });

  it.each<[FilterAction, FilterAction]>([
    ['block', 'redact'],
    ['redact', 'pseudonymize'],
    ['pseudonymize', raise('RESTRICTED')],
    [raise('RESTRICTED'), raise('CONFIDENTIAL')],
    [raise('CONFIDENTIAL'), 'flag'],
  ])('%j is stronger than %j', (strong, weak) => {
    expect(strengthOf(strong)).toBeGreaterThan(strengthOf(weak));
    const candidates = [found('weak', weak, 3, 4), found('strong', strong, 0, 10)];
    expect(choose(candidates).map(({ candidate }) => candidate.rule)).toEqual(['strong']);
  });

  it('two rewrites that cross each other block', () => {
    expect(chosen(found('a', 'redact', 0, 5), found('b', 'pseudonymize', 3, 8))).toEqual(['a block', 'b block']);
    expect(chosen(found('a', 'redact', 0, 5), found('b', 'redact', 3, 8))).toEqual(['a block', 'b block']);
    expect(chosen(found('a', 'redact', 0, 10), found('b', 'pseudonymize', 3, 8))).toEqual(['a redact']);
    expect(chosen(found('a', 'pseudonymize', 0, 10), found('b', 'redact', 3, 8))).toEqual(['a block', 'b block']);
    expect(chosen(found('a', 'redact', 0, 5), found('b', 'redact', 5, 8))).toEqual(['a redact', 'b redact']);
  });

  it('what lies in the surroundings of a match goes with it: the host of an address with a password is no e-mail', () => {
    const url = found('database-url', 'redact', 15, 20, { start: 0, end: 40 });
    expect(chosen(url, found('email', 'pseudonymize', 15, 32))).toEqual(['database-url redact']);
    expect(chosen(url, found('token', 'redact', 34, 39))).toEqual(['database-url redact', 'token redact']);
  });

  it('what knows the thing itself names it, and covers what a name around it would', () => {
    const named = found('generic', 'redact', 15, 20, { start: 0, end: 40 });
    const exact = found('token', 'redact', 15, 20);
    expect(chosen(named, exact)).toEqual(['token redact']);
    expect(chosen(named, exact, found('email', 'pseudonymize', 15, 32))).toEqual(['token redact']);
  });

  it('what was dropped itself drops nothing', () => {
    const first = found('first', 'block', 0, 10);
    const second = found('second', 'block', 5, 10, { start: 5, end: 14 });
    expect(chosen(first, second, found('third', 'block', 8, 13))).toEqual(['first block', 'third block']);
  });
});

describe('whatever is found', () => {
  const actions: FilterAction[] = [
    'block',
    'redact',
    'pseudonymize',
    'flag',
    raise('CONFIDENTIAL'),
    raise('RESTRICTED'),
  ];
  const candidates = fc.array(
    fc
      .record({
        rule: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
        action: fc.constantFrom(...actions),
        start: fc.nat(30),
        length: fc.integer({ min: 1, max: 12 }),
        before: fc.nat(4),
        after: fc.nat(4),
      })
      .map(({ rule, action, start, length, before, after }) =>
        found(rule, action, start, start + length, { start: start - before, end: start + length + after }),
      ),
    { maxLength: 10 },
  );
  const shares = (one: Candidate, other: Candidate) => one.start < other.end && other.start < one.end;
  const lies = (under: Candidate, over: Candidate) => over.wholeStart <= under.start && under.end <= over.wholeEnd;
  const isRewrite = (action: FilterAction) => action === 'redact' || action === 'pseudonymize';

  it('is dropped only under something at least as strong that counts and shares a part of it', () => {
    fc.assert(
      fc.property(candidates, (all) => {
        const kept = choose(all);
        for (const one of all) {
          if (kept.some(({ candidate }) => candidate === one)) continue;
          const by = kept.some(
            ({ candidate: other, action }) =>
              shares(one, other) &&
              strengthOf(action) >= strengthOf(one.action) &&
              // Or in the surroundings of one that acts upon the same as the one kept.
              all.some((same) => same.start === other.start && same.end === other.end && lies(one, same)),
          );
          if (!by) throw new Error(`dropped: ${JSON.stringify(one)}`);
        }
      }),
    );
  });

  it('leaves no two rewrites that overlap', () => {
    fc.assert(
      fc.property(candidates, (all) => {
        const rewrites = choose(all).filter(({ action }) => isRewrite(action));
        for (const one of rewrites) {
          const clash = rewrites.some((other) => other !== one && shares(one.candidate, other.candidate));
          expect(clash).toBe(false);
        }
      }),
    );
  });

  it('never gets a weaker strongest action by what is found beside it', () => {
    fc.assert(
      fc.property(candidates, (all) => {
        const strongest = Math.max(-1, ...all.map(({ action }) => strengthOf(action)));
        expect(Math.max(-1, ...choose(all).map(({ action }) => strengthOf(action)))).toBeGreaterThanOrEqual(strongest);
      }),
    );
  });

  it('does not depend on the order it is met in, nor on what does not overlap with it', () => {
    fc.assert(
      fc.property(candidates, fc.integer(), (all, seed) => {
        const describeAll = (list: readonly Candidate[]) => choose(list).map((one) => JSON.stringify(one));
        const shuffled = all.toSorted((one, other) => ((one.start * 31 + seed) % 7) - ((other.start * 31 + seed) % 7));
        expect(describeAll(shuffled)).toEqual(describeAll(all));
        const far = all.map((one) => ({
          ...one,
          start: one.start + 100,
          end: one.end + 100,
          wholeStart: one.wholeStart + 100,
          wholeEnd: one.wholeEnd + 100,
        }));
        expect(describeAll([...far, ...all]).slice(0, describeAll(all).length)).toEqual(describeAll(all));
      }),
    );
  });
});
