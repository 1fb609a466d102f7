import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { AS_CONFIGURED } from '../../../src/domain/finding.js';
import { detectAll } from '../../../src/filter/detectors/text-detector.js';
import { detect, detector, JWT_TEXT, PEM, RULE_EXAMPLES, rulesIn, SECRETS } from './support.js';

const BACKSLASH = '\\';

describe('the secrets detector', () => {
  it.each(RULE_EXAMPLES)(
    'finds every positive example of $id in a sentence, and no negative one',
    ({ positive, negative, id }) => {
      for (const example of positive) {
        expect(rulesIn(`Hello, here is what I use: ${example}\nCan you help?`)).not.toEqual([]);
      }
      for (const example of negative) expect(rulesIn(example)).not.toContain(id);
    },
  );

  it('names the vendor of what it finds', () => {
    expect(rulesIn(SECRETS.awsId)).toEqual(['aws-access-key-id']);
    expect(rulesIn(SECRETS.github)).toEqual(['github-token']);
    expect(rulesIn(SECRETS.fineGrained)).toEqual(['github-fine-grained-token']);
    expect(rulesIn(SECRETS.gitlab)).toEqual(['gitlab-token']);
    expect(rulesIn(SECRETS.stripe)).toEqual(['stripe-secret-key']);
    expect(rulesIn(SECRETS.npm)).toEqual(['npm-access-token']);
    expect(rulesIn(SECRETS.sendgrid)).toEqual(['sendgrid-api-key']);
    expect(rulesIn(SECRETS.database)).toEqual(['postgres-url']);
    expect(rulesIn(JWT_TEXT)).toEqual(['jwt']);
    expect(rulesIn(PEM)).toEqual(['private-key']);
  });

  const wrappings: [string, (secret: string) => string][] = [
    ['a full stop', (secret) => `It is ${secret}. Thanks`],
    ['a full stop at the end', (secret) => `It is ${secret}.`],
    ['three dots', (secret) => `It is ${secret}...`],
    ['brackets', (secret) => `(${secret})`],
    ['a comma', (secret) => `${secret}, and more`],
    ['angle brackets', (secret) => `<${secret}>`],
    ['an ampersand', (secret) => `https://acme.test/?key=${secret}&page=2`],
    ['double quotes', (secret) => `"${secret}"`],
    ['single quotes', (secret) => `'${secret}'`],
    ['backticks', (secret) => `\`${secret}\``],
    ['stars', (secret) => `**${secret}**`],
    ['underscores', (secret) => `_${secret}_`],
    ['a colon', (secret) => `${secret}: is it right?`],
    ['a question mark', (secret) => `is it ${secret}?`],
    ['an exclamation mark', (secret) => `${secret}!`],
    ['a semicolon', (secret) => `export TOKEN=${secret};`],
    ['a bar', (secret) => `|${secret}|`],
    ['an assignment', (secret) => `TOKEN=${secret}`],
    ['curly brackets', (secret) => `{"token":"${secret}"}`],
    ['escaped quotes', (secret) => `{${BACKSLASH}"token${BACKSLASH}":${BACKSLASH}"${secret}${BACKSLASH}"}`],
    ['an escaped line feed', (secret) => `first${BACKSLASH}n${secret}${BACKSLASH}nlast`],
    ['percent-encoded quotes', (secret) => `token%3D%22${secret}%22`],
    ['letters of another script', (secret) => `密钥${secret}谢谢`],
    ['a tab and a line feed', (secret) => `\t${secret}\n`],
    ['slashes', (secret) => `/var/${secret}/x`.replace('/var/', ' ').replace('/x', ' /x')],
    ['an HTML entity', (secret) => `&quot;${secret}&quot;`],
    ['an e-mail address', (secret) => `https://${secret}@github.test/acme`],
  ];

  it.each(wrappings)('finds a credential inside %s', (_, wrap) => {
    for (const secret of [SECRETS.awsId, SECRETS.github, SECRETS.gitlab, SECRETS.stripe, SECRETS.sendgrid, JWT_TEXT]) {
      expect(rulesIn(wrap(secret))).toHaveLength(1);
    }
  });

  describe.each([
    ['JSON', (letter: string) => `${BACKSLASH}u00${letter.charCodeAt(0).toString(16)}`],
    ['percent', (letter: string) => `%${letter.charCodeAt(0).toString(16)}`],
    ['HTML', (letter: string) => `&#${letter.charCodeAt(0)};`],
  ])('written in %s escapes', (_, escaped) => {
    const written = [...SECRETS.awsId].map(escaped).join('');
    const letters = ['\u{1d400}', '\uff21', '\u0410', '\ufb01', 'ж', '中'];

    it.each([
      ...[...letters, 'x\u200b', 'e\u0301'].map((letter) => `${letter}${written}`),
      ...[...letters, '\u200bx'].map((letter) => `${written}${letter}`),
      ...letters.map((letter) => `${letter}AKIA${written.slice(escaped('A').length * 4)}`),
      ...letters.map((letter) => `${letter}${written.slice(0, -escaped('A').length)}${SECRETS.awsId.at(-1)}${letter}`),
    ])('is found beside a letter that looks like another, or ends where nothing is seen: %s', (text) => {
      expect(rulesIn(`so: ${text} ok`)).toEqual(['aws-access-key-id']);
    });

    it('is found where some of its letters are written with those of other scripts', () => {
      for (let cut = 1; cut < SECRETS.awsId.length; cut++) {
        const wide = String.fromCharCode(SECRETS.awsId.charCodeAt(cut) + 0xfee0);
        const characters = [...SECRETS.awsId].map(escaped);
        characters[cut] = wide;
        expect(rulesIn(`so: ${characters.join('')} ok`)).toEqual(['aws-access-key-id']);
      }
    });

    it('is part of a longer word where one of ASCII stands beside it', () => {
      expect(rulesIn(`so: x${written} and a \uff0c`)).toEqual([]);
      expect(rulesIn(`so: ${written}x and a \uff0c`)).toEqual([]);
    });
  });

  it('is not misled by a longer word that holds the beginning of a credential', () => {
    for (const secret of [SECRETS.awsId, SECRETS.github, SECRETS.gitlab, SECRETS.stripe, SECRETS.npm]) {
      expect(rulesIn(`x${secret}`)).toEqual([]);
    }
    for (const secret of [SECRETS.awsId, SECRETS.npm]) expect(rulesIn(`${secret}Zz9`)).toEqual([]);
    expect(rulesIn('a task-oriented risk-free desk-proj-ect')).toEqual([]);
  });

  it.each([
    'AKIAIOSFODNN7EXAMPLE',
    'your-key-here',
    'OPENAI_API_KEY=sk-...',
    'sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
    'ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
    'postgres://user:password@localhost:5432/app',
    `postgres://user:$${'{DB_PASSWORD}'}@db.acme.test/app`,
    'Authorization: Bearer YOUR_ACCESS_TOKEN_GOES_HERE',
    'aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  ])('lets a placeholder pass: %s', (text) => {
    expect(rulesIn(text)).toEqual([]);
  });

  it.each([
    'What is the difference between a mutex and a semaphore?',
    'commit 9fceb02d0ae598e95dc970b74767f19372d61af8 fixed it',
    'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    'request id 550e8400-e29b-41d4-a716-446655440000 failed on heroku',
    'The AWS console shows arn:aws:iam::123456789012:role/deploy',
    'import { something } from "@scope/a-rather-long-package-name/with/a/deep/path/inside";',
    'Die Straße und der Schlüssel: “Anführungszeichen” – und ein Gedankenstrich…',
    'Пароль не нужен, спасибо. Токен тоже.',
    'My phone is +44 20 7946 0958 and it is 10:ABC',
  ])('has nothing against ordinary text: %s', (text) => {
    expect(rulesIn(text)).toEqual([]);
  });

  it('reports a credential with a right checksum even where it looks like a placeholder', () => {
    const random = 'exampleXXXXXXXXXXXXXXXXXXXXXXX';
    const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    let checksum = '';
    for (let rest = crc32(random); checksum.length < 6; rest = Math.floor(rest / 62)) {
      checksum = digits.charAt(rest % 62) + checksum;
    }
    expect(rulesIn(`gh${'p_'}${random}${checksum}`)).toEqual(['github-token']);
    expect(rulesIn(`gh${'p_'}${random}aaaaaa`)).toEqual([]);
  });

  it('finds a value by the name it is given', () => {
    expect(rulesIn(`AWS_SECRET_ACCESS_KEY=${SECRETS.awsSecret}`)).toEqual(['aws-secret-access-key']);
    expect(rulesIn(`{"SecretAccessKey":"${SECRETS.awsSecret}"}`)).toEqual(['aws-secret-access-key']);
    expect(rulesIn(`my aws secret key is ${SECRETS.awsSecret}, ok?`)).toEqual(['aws-secret-access-key']);
    expect(rulesIn(SECRETS.awsSecret)).toEqual([]);
    expect(rulesIn(`${SECRETS.awsId}\n${SECRETS.awsSecret}`)).toContain('aws-secret-access-key-beside-id');
  });

  it('takes a whole private key, not only its first line', () => {
    const [detection] = detect(`before\n${PEM}\nafter`);
    expect(`before\n${PEM}\nafter`.slice(detection?.start, detection?.end)).toBe(PEM);
    expect(rulesIn(PEM.replaceAll('\n', `${BACKSLASH}n`))).toEqual(['private-key']);
    expect(
      rulesIn(
        PEM.split('\n')
          .map((line) => `"${line}${BACKSLASH}n" +`)
          .join('\n'),
      ),
    ).toEqual(['private-key']);
    expect(rulesIn(PEM.slice(0, -32))).toEqual(['private-key']);
  });
});

describe('a disguised credential', () => {
  const secret = SECRETS.github;
  const percent = [...secret].map((character) => `%${character.charCodeAt(0).toString(16)}`).join('');
  const unicode = [...secret]
    .map((each) => `${BACKSLASH}u${each.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
  const fullWidth = [...secret].map((each) => String.fromCharCode(each.charCodeAt(0) + 0xfee0)).join('');

  const manners: [string, (character: string) => string][] = [
    ['a zero-width space before it', (character) => `\u200b${character}`],
    [
      'full width',
      (character) => (character === ' ' ? '\u3000' : String.fromCharCode(character.charCodeAt(0) + 0xfee0)),
    ],
    ['percent encoding', (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`],
    ['an HTML entity', (character) => `&#${character.charCodeAt(0)};`],
  ];

  it.each(manners)('is found wherever one character of it has %s, whatever stands plainly before', (_, disguise) => {
    for (const [rule, text] of [
      ['github-token', secret],
      ['jwt', JWT_TEXT],
      ['private-key', PEM],
    ] as const) {
      for (let at = 0; at < text.length; at++) {
        const character = text.charAt(at);
        if (character === '\n') continue;
        const written = `it is ${text.slice(0, at)}${disguise(character)}${text.slice(at + 1)} here`;
        expect([at, ...new Set(rulesIn(written))]).toEqual([at, rule]);
      }
    }
  });

  const disguises: [string, string][] = [
    ['zero-width spaces', [...secret].join('\u200b')],
    ['soft hyphens', `${secret.slice(0, 9)}\u00ad${secret.slice(9)}`],
    ['a combining mark', `${secret.slice(0, 9)}\u0301${secret.slice(9)}`],
    ['full-width letters', fullWidth],
    ['a Cyrillic letter', secret.replace('p', 'р')],
    ['percent encoding', percent],
    ['percent encoding of its underscore', secret.replace('_', '%5F')],
    ['JSON escapes', unicode],
    ['escapes within escapes', unicode.replaceAll(BACKSLASH, BACKSLASH + BACKSLASH)],
    ['HTML entities', secret.replace('_', '&#95;')],
    ['base64', Buffer.from(`token: ${secret}`).toString('base64')],
    ['base64 after a path', `files/${Buffer.from(`token: ${secret}`).toString('base64')}`],
    ['URL-safe base64', Buffer.from(`??>>${secret}`).toString('base64url')],
    [
      'wrapped base64',
      (
        Buffer.from(`${'x y '.repeat(40)} ${secret} ${'z '.repeat(60)}`)
          .toString('base64')
          .match(/.{1,76}/g) ?? []
      ).join('\r\n'),
    ],
    ['hexadecimal', Buffer.from(secret).toString('hex')],
    ['a data URL', `data:text/plain;base64,${Buffer.from(secret).toString('base64')}`],
    ['Greek and Cyrillic look-alikes', secret.replaceAll('p', 'ρ').replaceAll('h', 'һ').replaceAll('T', 'Τ')],
    [
      'mathematical letters',
      secret.replace(/[a-z]/g, (each) => String.fromCodePoint(0x1d41a + each.charCodeAt(0) - 97)),
    ],
    ['percent encoding, twice', encodeURIComponent(percent)],
    ['escapes in JSON in JSON in JSON', JSON.stringify(JSON.stringify(JSON.stringify({ a: unicode })))],
    ['hexadecimal with blanks', (Buffer.from(secret).toString('hex').match(/../g) ?? []).join(' ')],
    ['hexadecimal with colons', (Buffer.from(secret).toString('hex').match(/../g) ?? []).join(':')],
    ['percent encoding with invisible characters', encodeURIComponent([...secret].join('\u200b'))],
    ['HTML entities for all of it', [...secret].map((each) => `&#x${each.charCodeAt(0).toString(16)};`).join('')],
  ];

  it.each(disguises)('is found behind %s', (_, text) => {
    expect(rulesIn(`please keep ${text} for me`)).toContain('github-token');
  });

  it('is covered whole by what is reported, whatever stands around it', () => {
    const noise = fc.string({
      unit: fc.constantFrom('a', ' ', '\u200b', 'é', '%41', `${BACKSLASH}n`, '漢', '😀', '.', '\ud800'),
    });
    fc.assert(
      fc.property(noise, noise, fc.constantFrom(...disguises.map(([, text]) => text)), (before, after, disguise) => {
        const text = `${before} ${disguise} ${after}`;
        const found = detect(text).filter(({ rule }) => rule === 'github-token');
        expect(found).toHaveLength(1);
        const without = text.slice(0, found[0]?.start) + text.slice(found[0]?.end);
        expect(rulesIn(without)).toEqual([]);
        expect(found[0]?.start).toBeGreaterThanOrEqual(before.length);
        expect(found[0]?.end).toBeLessThanOrEqual(text.length - after.length);
      }),
    );
  });
});

describe('decoding', () => {
  it('finds a value in base64 by the name that stands outside it', () => {
    const value = Buffer.from(SECRETS.awsSecret).toString('base64');
    const found = detectAll(detector, `aws_secret_access_key = ${value}`);
    expect(found.map(({ rule }) => rule)).toContain('aws-secret-access-key');
  });

  it('never fails and tells of nothing outside the text, whatever the text', () => {
    const pieces = [
      'gh',
      'p_',
      SECRETS.github,
      '%',
      '%25',
      '41',
      BACKSLASH,
      'u',
      '0067',
      '&',
      'amp;',
      '#',
      ';',
      '\u200b',
      'ｇ',
      '𝐠',
    ];
    const more = [
      '\ud835',
      '\udc00',
      '=',
      'Z2hw',
      '67 68 ',
      '\n',
      'eyJ',
      '-----BEGIN ',
      'password',
      ': "',
      '"',
      'é',
      ' ',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces, ...more), { maxLength: 40 }), (list) => {
        const text = list.join('');
        for (const { start, end } of detect(text)) {
          expect(start).toBeGreaterThanOrEqual(0);
          expect(end).toBeGreaterThan(start);
          expect(end).toBeLessThanOrEqual(text.length);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('a long text', () => {
  it.each([65_536, 131_050, 131_072, 139_264, 147_440, 147_456, 262_144, 400_000])(
    'hides no credential at character %i',
    (at) => {
      const text = `${'lorem ipsum '.repeat(60_000).slice(0, at - 1)} ${SECRETS.github} ${'dolor '.repeat(20_000)}`;
      expect(detect(text)).toEqual([
        {
          filter: 'secrets',
          rule: 'github-token',
          actions: AS_CONFIGURED,
          start: at,
          end: at + SECRETS.github.length,
        },
      ]);
    },
  );

  it('is not cut into credentials where its windows end', () => {
    for (const edge of [131_072, 139_264, 147_456, 262_144]) {
      const cutAtEnd = `${'. '.repeat(edge).slice(0, edge - SECRETS.awsId.length)}${SECRETS.awsId}LONGER${' .'.repeat(50_000)}`;
      const cutAtStart = `${'. '.repeat(edge).slice(0, edge - 6)}LONGER${SECRETS.awsId}${' .'.repeat(50_000)}`;
      expect(rulesIn(cutAtEnd)).toEqual([]);
      expect(rulesIn(cutAtStart)).toEqual([]);
    }
  });

  it('gives the same answer for the same credentials wherever windows meet', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 500_000 }), { maxLength: 6 }), (places) => {
        const sorted = [...new Set(places.map((place) => Math.floor(place / 100) * 100))].sort((a, b) => a - b);
        let text = '';
        for (const place of sorted) text = `${text.padEnd(place, '. ')} ${SECRETS.gitlab} `;
        text = text.padEnd(500_100, '. ');
        expect(detect(text)).toHaveLength(sorted.length);
      }),
      { numRuns: 15 },
    );
  });
});

describe('encoded text', () => {
  const lorem = 'lorem ipsum dolor sit amet, ';
  const token = `the token is ${SECRETS.github} ok`;
  const base64 = (text: string, encoding: BufferEncoding = 'utf8') => Buffer.from(text, encoding).toString('base64');
  const long = (characters: number) => `${lorem.repeat(Math.ceil(characters / lorem.length))}${token} ${lorem}`;
  const wrap = (text: string, columns: number, end = '\n') =>
    (text.match(new RegExp(`.{1,${columns}}`, 'g')) ?? []).join(end);
  const between = (text: string, mark: string, every: number) => wrap(text, every, mark);
  const escaped = [...token].map((each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');

  it.each<[string, string]>([
    ['90 kB in a data URL', `data:text/plain;base64,${base64(long(90_000))}`],
    ['90 kB after a colon', `: ${base64(long(90_000))}`],
    ['200 kB after a letter', `x${base64(long(200_000))}`],
    ['60 kB after a path', `a/${base64(long(45_000))}`],
    ['60 kB after three letters', `abc${base64(long(45_000))}`],
    ['hexadecimal of odd length', `${Buffer.from(token).toString('hex')}0`],
    ['hexadecimal after a digit', `f${Buffer.from(token).toString('hex')}`],
    ['hexadecimal after 0x', `0x${Buffer.from(token).toString('hex')}`],
    ['100 kB of hexadecimal after a digit', `f${Buffer.from(long(50_000)).toString('hex')}`],
    ['base64 with invisible characters between', between(base64(token), '\u200b', 5)],
    ['base64 of invisible characters', base64(between(token, '\u200b', 1))],
    ['base64 of full-width letters', base64(token.replace('ghp', 'ｇｈｐ'))],
    ['base64 of percent-encoded text', base64(token.replace('ghp', '%67%68%70'))],
    ['base64 of escaped JSON', base64(escaped)],
    ['base64 at 20 columns', wrap(base64(token), 20)],
    ['base64 at 20 columns, indented', wrap(base64(token), 20, '\r\n    ')],
    ['base64 at 64 columns, quoted by mail', wrap(base64(long(500)), 64, '\n> ')],
    ['base64 at 76 columns, quoted by JSON', JSON.stringify({ data: wrap(base64(long(500)), 76) })],
    ['base64 of UTF-16', base64(token, 'utf16le')],
    ['base64 of UTF-16 in the other order', Buffer.from(token, 'utf16le').swap16().toString('base64')],
    ['hexadecimal of UTF-16', Buffer.from(token, 'utf16le').toString('hex')],
  ])('is read: %s', (_, text) => {
    expect(rulesIn(text)).toContain('github-token');
    expect(rulesIn(`see\n${text}\n`)).toContain('github-token');
  });

  it('is read at any distance from the beginning of a long run', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100_000 }), fc.nat(3), (before, misaligned) => {
        const text = `${'a'.repeat(misaligned)}${base64(`${'. '.repeat(before / 2)}${token}${' .'.repeat(40_000)}`)}`;
        expect(rulesIn(text)).toEqual(['github-token']);
      }),
      { numRuns: 40 },
    );
  });
});
