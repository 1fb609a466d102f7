import fc from 'fast-check';
import { detect, RULE_EXAMPLES, SECRETS } from '../support.js';
import { foldableExamples, readExamples, TOKENS } from './examples.js';
import { REDACTING, run, split } from './support.js';

const WRAPPED = RULE_EXAMPLES.flatMap(({ id, positive }) =>
  positive.map((example, index) => ({
    name: `${id} ${index + 1}`,
    text: `Sure, here it is: ${example} as you asked. Bye`,
  })),
);

const PERSONAL = readExamples('config/personal-data-rules.yaml', 'personal_data');

describe('an answer in any pieces', () => {
  it.each(PERSONAL.examples)('comes out the same, without the personal data of $name', ({ text }) => {
    const rules = PERSONAL.rules;
    const whole = run([text], { rules });
    expect(whole.out).toContain('[REDACTED:');
    expect(run(split(text, 1), { rules }).out).toBe(whole.out);
    for (let at = 1; at < text.length; at++) {
      const two = run([text.slice(0, at), text.slice(at)], { rules });
      if (two.out !== whole.out) throw new Error(`cut at ${at}: ${two.out} instead of ${whole.out}`);
    }
  });

  it.each(WRAPPED)('comes out the same, without $name', ({ text }) => {
    const whole = run([text]);
    expect(whole.findings).not.toEqual([]);
    expect(whole.out).toContain('[REDACTED:');
    for (const { start, end } of detect(text)) expect(whole.out).not.toContain(text.slice(start, end));
    expect(whole.out).toMatch(/Bye$/);
    const ones = run(split(text, 1));
    expect(ones.out).toBe(whole.out);
    expect(ones.findings).toEqual(whole.findings);
    for (let at = 1; at < text.length; at++) {
      const two = run([text.slice(0, at), text.slice(at)]);
      if (two.out !== whole.out) throw new Error(`cut at ${at}: ${two.out} instead of ${whole.out}`);
      if (two.findings.join() !== whole.findings.join()) throw new Error(`cut at ${at}: ${two.findings.join()}`);
    }
  });

  const text = fc
    .array(
      fc.oneof(
        fc.constantFrom(...WRAPPED.map((each) => each.text)),
        fc.constantFrom(...foldableExamples()),
        fc.constantFrom(...TOKENS),
        fc.string({ unit: 'grapheme', maxLength: 20 }),
        fc.constantFrom(
          '\\',
          '%',
          '&',
          '\n',
          '\n\n',
          ' key=',
          'aws secret ',
          '-----',
          '[[',
          '"',
          '😀',
          '—',
          '\u200b',
          'https://',
        ),
      ),
      { minLength: 1, maxLength: 6 },
    )
    .map((parts) => parts.join(''));

  it('comes out the same whatever it is made of', () => {
    fc.assert(
      fc.property(
        text,
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        (whole, sizes, isJson) => {
          const pieces: string[] = [];
          for (let from = 0, turn = 0; from < whole.length; turn++) {
            const size = sizes[turn % sizes.length] ?? 1;
            pieces.push(whole.slice(from, from + size));
            from += size;
          }
          const expected = run([whole], { isJson });
          const cut = run(pieces, { isJson });
          expect(cut.out).toBe(expected.out);
          expect(cut.findings).toEqual(expected.findings);
          expect(cut.isBlocked).toBe(expected.isBlocked);
        },
      ),
      { numRuns: 1_500 },
    );
  });

  it('comes out the same where another credential is found in a key that is being dropped', () => {
    const lines = [
      `${SECRETS.awsId}Sure: PuTTY-User-Key-File-3: ssh-rsa`,
      'Encryption: none',
      `Private-${'Lines'}: 2`,
      'bbXY4MuAnvCImfUi1qe9gRR2pv0sdWs1CI5dYTs2+wQJ+vw3xY2SPTKqki20n9tq',
      'Bqb3VrYOR2Js474Yb1pGkhq/GWnHKWZQstPJHHEC',
      ' as you asked. Bye',
    ].join('\n');
    const whole = run([lines]);
    expect(whole.findings).toEqual(['putty-private-key redact']);
    for (let size = 1; size < 40; size++) expect(run(split(lines, size)).out).toBe(whole.out);
  });

  it('is found where it follows much other text', () => {
    const filler = 'The quick brown fox — as ever — jumps over 12 lazy dogs at 5 % & more. '.repeat(400);
    const long = `${filler}${SECRETS.github} ${filler}`;
    const whole = run([long]);
    expect(whole.findings).toEqual(['github-token redact']);
    expect(run(split(long, 7)).out).toBe(whole.out);
    expect(run(split(long, 5_000)).out).toBe(whole.out);
  });

  it('knows as many rules as are shipped', () => {
    expect(REDACTING.rules.length).toBeGreaterThan(150);
  });
});
