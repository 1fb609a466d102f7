import fc from 'fast-check';
import { Roster } from '../../../src/domain/roster.js';

describe('a roster', () => {
  it('lists whoever came and has not gone, as often as they came', () => {
    const moves = fc.array(fc.oneof(fc.constantFrom('a', 'b', 'c'), fc.nat(20)), { maxLength: 60 });
    fc.assert(
      fc.property(moves, (steps) => {
        const roster = new Roster<string>();
        const present: { name: string; leave: () => void }[] = [];
        for (const step of steps) {
          if (typeof step === 'string') present.push({ name: step, leave: roster.enter(step) });
          else for (const { leave } of present.splice(step % Math.max(1, present.length), 1)) leave();
          expect(roster.list().sort()).toEqual(present.map(({ name }) => name).sort());
          expect(roster.size).toBe(present.length);
        }
      }),
    );
  });

  it('keeps to the list it gave while they go', () => {
    const roster = new Roster<() => void>();
    let gone = 0;
    for (let count = 0; count < 3; count++) {
      const leave = roster.enter(() => {
        leave();
        gone += 1;
      });
    }
    for (const end of roster.list()) end();
    expect([gone, roster.size]).toEqual([3, 0]);
  });
});
