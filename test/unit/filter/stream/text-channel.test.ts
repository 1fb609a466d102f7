import type { MarkerSource } from '../../../../src/domain/pseudonym.js';
import { loadRules } from '../../../../src/filter/rules/rule-loader.js';
import { PEM, SECRETS, SHIPPED_RULES } from '../support.js';
import { TOKENS } from './examples.js';
import { compileRules, run, split } from './support.js';

const PROSE = `The quick brown fox jumps over lazy dogs. Streams flow through the valley, while engineers write
their reports; nobody waits for anything. When the sun sets, "every" word (of this text) should have been sent already!
Numbers like 2026 or 3.14 appear too, and so does https://example.com/docs with its words.`;

/** Word by word, with the blank before it, as models say them. */
function words(text: string): string[] {
  return text.match(/\s*[A-Za-z]+|\s*[^A-Za-z\s]+|\s+/g) ?? [];
}

describe('text that streams', () => {
  it('never waits where no anchor is alive', () => {
    const quiet = words(PROSE).filter((word) => !/\d/.test(word));
    const { held, out } = run(quiet);
    expect(out).toBe(quiet.join(''));
    expect(quiet.filter((_word, index) => held[index] !== 0)).toEqual([]);
  });

  it('waits a few characters at most where prose could begin an anchor', () => {
    const { held } = run(words(`${PROSE} It is a key, as far as test-path and access go, and do be up.`.repeat(20)));
    expect(Math.max(...held)).toBeLessThanOrEqual('access'.length + 1);
  });

  it.each(TOKENS.filter((token) => token !== SECRETS.awsSecret))(
    'waits from the beginning of a token on, not before it (%#)',
    (token) => {
      const { out, held } = run(split(`?! ${token} `, 1));
      expect(out).toMatch(/^\?! /);
      expect(held.slice(0, 3)).toEqual([0, 0, 0]);
      expect(out).toContain('[REDACTED:');
    },
  );

  it('waits for the password of an address only, not for the address', () => {
    const { held } = run(split('see https://host.example:8080/path and more', 1));
    // Some rules know whole addresses by how they begin.
    expect(Math.max(...held)).toBeLessThanOrEqual('https://h'.length);
  });

  it('a private key does not gather in memory', () => {
    const lines = Array.from({ length: 2_000 }, (_, index) =>
      Buffer.from(`line ${index} of a key that is longer than any`).toString('base64'),
    );
    const key = PEM.replace(/\n-----END/, `\n${lines.join('\n')}\n-----END`);
    const { held, out } = run(split(`a ${key} b`, 7));
    expect(out).toBe('a [REDACTED:private-key] b');
    expect(Math.max(...held)).toBeLessThan(120);
  });

  it.each([
    ['cut in its first line', PEM.slice(0, 80), '[REDACTED:private-key]'],
    ['cut in its second line', PEM.slice(0, 130), '[REDACTED:private-key]'],
    ['with what was said behind it', `${PEM.slice(0, 130)}\n\nThat was it.`, '[REDACTED:private-key]\nThat was it.'],
    [
      'only mentioned',
      'It begins with -----BEGIN PRIVATE KEY----- as you know.',
      'It begins with -----BEGIN PRIVATE KEY----- as you know.',
    ],
    [
      'with its headers',
      PEM.replace('\n', '\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0011\n\n'),
      `${PEM.split('\n')[0]}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0011\n\n[REDACTED:private-key]`,
    ],
  ])('a private key %s', (_how, text, expected) => {
    expect(run([text]).out).toBe(expected);
    expect(run(split(text, 1)).out).toBe(expected);
  });

  it.each([1, 3, 1_000])('what is written to be overlooked is found, in pieces of %i', (size) => {
    const hidden = SECRETS.github.split('').join('\u200b');
    const escaped = SECRETS.github.replace('g', '\\u0067').replace('_', '%5f');
    expect(run(split(`a ${hidden} b ${escaped} c`, size)).out).toBe(
      'a [REDACTED:github-token] b [REDACTED:github-token] c',
    );
  });

  it('a rule that blocks ends it before what it found', () => {
    const rules = compileRules(SHIPPED_RULES, (filters) => {
      filters.secrets.responseAction = 'block';
    });
    for (const size of [1, 5, 1_000]) {
      const { out, isBlocked, findings } = run(split(`It is ${SECRETS.github}, I think`, size), { rules });
      expect({ out, isBlocked, findings }).toEqual({
        out: 'It is ',
        isBlocked: true,
        findings: ['github-token block'],
      });
    }
  });

  it('a rule that flags hides no rule that redacts', () => {
    const { rules, problems } = loadRules(
      `rules:
  - {id: wide, vendor: x, type: x, severity: low, anchors: [wide], action: flag, pattern: 'wide [a-z0-9 ]{10,40};', max_length: 60, examples: {positive: ['wide abcdefgh ijkl;']}}
  - {id: narrow, vendor: x, type: x, severity: low, anchors: [nar], pattern: 'nar[0-9]{6}', max_length: 9, examples: {positive: ['nar1<+>84756']}}
`,
      'terms',
    );
    expect(problems).toEqual([]);
    const compiled = compileRules(rules);
    for (const size of [1, 4, 1_000]) {
      const { out, findings } = run(split('a wide abc nar184756 def; b', size), { rules: compiled });
      expect(out).toBe('a wide abc [REDACTED:narrow] def; b');
      expect(findings).toEqual(['wide flag', 'narrow redact']);
    }
  });

  describe('that is JSON', () => {
    it.each([
      { token: SECRETS.github },
      { text: `\n${SECRETS.npm}\t${SECRETS.awsId}"` },
      { key: PEM, after: [1, { deep: 'x' }] },
      { key: PEM.slice(0, 130), after: 'still here' },
      { inner: JSON.stringify({ token: SECRETS.gitlab }) },
      { aws_secret_access_key: SECRETS.awsSecret, é: '\ud83d\ude00' },
    ])('stays it: %#', (value) => {
      const text = JSON.stringify(value);
      const whole = run([text], { isJson: true });
      expect(whole.out).toContain('[REDACTED:');
      const said: unknown = JSON.parse(whole.out);
      expect(Object.keys(said as object)).toEqual(Object.keys(value));
      for (let size = 1; size < 9; size++) expect(run(split(text, size), { isJson: true }).out).toBe(whole.out);
    });
  });

  describe('that holds names for values', () => {
    const values = new Map([
      ['[[AEGIS:EMAIL_ADDRESS:0123456789ab]]', 'ada "the countess" <ada@acme.test>'],
      ['[[AEGIS:CARD:aaaaaaaaaaaa]]', '4111'],
      ['[[AEGIS:CARD:a1b2c3d4e5f6]]', '4222'],
    ]);
    const markers: MarkerSource = { valueOf: (marker) => values.get(marker) ?? null };

    it.each([
      ['as they were', 'To [[AEGIS:EMAIL_ADDRESS:0123456789ab]] and [[AEGIS:CARD:aaaaaaaaaaaa]].'],
      ['in other case', 'To [[aegis:email_address:0123456789AB]] and [[Aegis:Card:AAAAAAAAAAAA]].'],
      ['with blanks', 'To [[ AEGIS: EMAIL_ADDRESS : 0123456789ab ]] and [ [AEGIS:CARD:aaaa aaaaaaaa]].'],
      ['with Markdown', 'To [[AEGIS:EMAIL\\_ADDRESS:0123456789ab]] and [[AEGIS:CARD:aaaaaaaaaaaa]].'],
    ])('says the values, %s', (_how, text) => {
      for (const size of [1, 2, 7, 1_000]) {
        expect(run(split(text, size), { markers }).out).toBe('To ada "the countess" <ada@acme.test> and 4111.');
      }
    });

    it('escapes them in JSON', () => {
      const text = JSON.stringify({ to: '[[AEGIS:EMAIL_ADDRESS:0123456789ab]]' });
      for (const size of [1, 5, 1_000]) {
        const { out } = run(split(text, size), { markers, isJson: true });
        expect(JSON.parse(out)).toEqual({ to: 'ada "the countess" <ada@acme.test>' });
      }
    });

    it('leaves alone what was not issued here, and what only looks alike', () => {
      const text = 'a[0][[1]] [[AEGIS:CARD:bbbbbbbbbbbb]] [link](x) [[AEGIS: no';
      for (const size of [1, 3, 1_000]) expect(run(split(text, size), { markers }).out).toBe(text);
    });

    it('does not look for anything in the values', () => {
      const source: MarkerSource = { valueOf: () => SECRETS.github };
      const { out, findings } = run(['[[AEGIS:X:0123456789ab]]'], { markers: source });
      expect({ out, findings }).toEqual({ out: SECRETS.github, findings: [] });
    });

    function cutter(pattern: string, positive: string) {
      const { rules, problems } = loadRules(
        `rules: [{id: cutter, vendor: x, type: x, severity: low, anchors: ['AEGIS:CARD', 'see [['], pattern: '${pattern}', max_length: 40, examples: {positive: ['${positive}']}}]`,
        'terms',
      );
      expect(problems).toEqual([]);
      return compileRules(rules);
    }

    it.each([
      [
        'blocks where a redaction would cut a name',
        'AEGIS:CARD:[a-f0-9]{12}\\]\\] y',
        'AEGIS:CA<+>RD:a1b2c3d4e5f6]] y',
        null,
      ],
      [
        'takes a name for none of what it looks like',
        'AEGIS:CARD:[a-f0-9]{12}',
        'AEGIS:CA<+>RD:a1b2c3d4e5f6',
        'see 5500 y',
      ],
      [
        'leaves the value unsaid where a redaction takes the name in',
        'see \\[\\[AEGIS:CARD:[a-f0-9]{12}\\]\\] y',
        'see [[AEG<+>IS:CARD:a1b2c3d4e5f6]] y',
        '[REDACTED:cutter]',
      ],
    ])('%s', (_what, pattern, positive, expected) => {
      const rules = cutter(pattern, positive);
      const source: MarkerSource = { valueOf: () => '5500' };
      for (const size of [1, 3, 1_000]) {
        const { out, isBlocked } = run(split('see [[AEGIS:CARD:a1b2c3d4e5f6]] y', size), { rules, markers: source });
        expect(isBlocked ? null : out).toBe(expected);
      }
    });
  });
});
