import { run } from './support.js';

const LINE = 'GxNrGRbYM5ixZ9kTsYtsLg3CU2Ckh7uQsW0aLqT3nVd5Rk8XpZ1mBvYwE6oJfHs';

const inPieces = (text: string, size: number): string[] => text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];

describe('a form of the text that begins late', () => {
  it.each([
    ['an accent', '\u0301'],
    ['an invisible character', '\u200b'],
    ['an escape', '\\x47'],
  ])('goes on with a key that began long before %s', (_what, odd) => {
    // Long enough that its opening line is not looked at any more when the form begins.
    for (let lines = 8; lines < 80; lines += 9) {
      const body = Array.from(
        { length: lines },
        (_, index) => `${LINE.slice(index % 20)}${LINE.slice(0, index % 20)}\n`,
      );
      const text = `-----BEGIN RSA PRIVATE KEY-----\n${body.join('')}${odd}${LINE}\n-----END RSA PRIVATE KEY-----\nDone.`;
      const whole = run([text]).out;
      expect(whole).not.toContain(LINE.slice(1));
      for (const size of [1, 5, 64]) expect(run(inPieces(text, size)).out).toBe(whole);
    }
  });

  it('goes on with one whose lines so far could not be those of a key', () => {
    for (let filler = 400; filler < 4_000; filler += 61) {
      const text = `-----BEGIN RSA PRIVATE KEY-----\n${'x'.repeat(filler)}\n\u0301${LINE}\n-----END RSA PRIVATE KEY-----`;
      const whole = run([text]).out;
      for (const size of [3, 7]) expect(run(inPieces(text, size)).out).toBe(whole);
    }
  });
});
