/** Texts made to cost the engine as much as they can: for each rule, its own words against it. */
const encode = (text) => Buffer.from(text).toString('base64');
const hex = (text) => Buffer.from(text).toString('hex');
const escapeAll = (text) => [...text].map((each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
const percent = (text) => [...text].map((each) => `%${each.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');
const nested = (text) => JSON.stringify(JSON.stringify(JSON.stringify(text)));

const fill = (seed) => (length) => seed.repeat(Math.ceil(length / seed.length)).slice(0, length);

/** A text that the rule's pattern could be in the middle of: its anchor, and characters it goes on with. */
function bodiesOf(rule) {
  const run = rule.run ?? rule.head;
  const letters = ['a1B2c3D4e5F6', 'a1b2c3d4e5f6', 'A1B2C3D4E5F6', '0123456789']
    .map((text) => [...text].filter((each) => run.has(each.charCodeAt(0))).join(''))
    .filter((text) => text !== '');
  return [...new Set(letters)];
}

export function attacksOn(rule) {
  const attacks = [];
  const add = (family, seed) => {
    if (seed !== '') attacks.push({ family, name: `${rule.id}: ${family}`, of: fill(seed) });
  };
  const [body = 'a1'] = bodiesOf(rule);
  const long = body.repeat(Math.ceil(Math.min(rule.patternLength, 2_000) / body.length));
  for (const anchor of rule.anchors.slice(0, 2)) {
    add('anchor', anchor);
    add('anchor and hyphen', `-${anchor}`);
    add('anchor and blank', `${anchor} `);
    add('anchor and a little', ` ${anchor}${long.slice(0, 6)}`);
    add('anchor and half', ` ${anchor}${long.slice(0, Math.ceil(rule.minLength / 2))}`);
    add('near miss', ` ${anchor}${long.slice(0, Math.max(1, rule.minLength - anchor.length - 1))}`);
    add('just enough', ` ${anchor}${long.slice(0, rule.minLength)}`);
    add('anchor and much', ` ${anchor}${long}`);
    add('anchors within a long body', `${anchor}${long.slice(0, 9)}`);
    add('anchor in base64', encode(`-${anchor}${long.slice(0, 9)}`.repeat(6).slice(0, -3)).replace(/=+$/, ''));
    add('anchor in JSON in JSON', nested(` ${anchor}"${long.slice(0, 9)}`));
    add('anchor in escapes', escapeAll(`-${anchor}`));
  }
  add('body alone', body);
  return attacks;
}

/** What needs no rule, or takes all of them together. */
export function attacksOnAll(rules) {
  const anchors = rules.flatMap(({ anchors }) => anchors);
  const all = (text) => anchors.map((anchor) => text.replace('*', anchor)).join('');
  const seeds = {
    'all anchors': all('*'),
    'all anchors, hyphens': all('-*'),
    'all anchors, blanks': all(' *'),
    'all anchors, names with values': all(' * = "a1B2c3D4e5F6a1B2c3D4e5F6a1B2c3D4e5F6a1B2" '),
    'all anchors, base64': encode(all(' *')),
    letters: 'a',
    blanks: ' ',
    backslashes: '\\',
    percents: '%25',
    ampersands: '&amp;',
    'percents and backslashes': '%5c\\x25&amp;',
    'zero-width': 'a\u200b',
    'full-width': 'ａ１＿',
    'mathematical letters': '𝐚𝟏',
    'long forms': '\ufdfa\u3300',
    surrogates: '\ud800',
    'base64 of text': encode('lorem ipsum dolor sit amet consect'.slice(0, 33)),
    'base64 of base64 of text': encode(`${encode('lorem ipsum dolor sit amet consect'.slice(0, 33))}x`),
    'base64 of escapes': encode(escapeAll('lorem ipsum dolor sit amet, consectetur.').slice(0, 240)),
    'base64 of UTF-16': Buffer.from('lorem ipsum dolor sit a.', 'utf16le').toString('base64'),
    'base64 of full-width': encode('ｌｏｒｅｍ ｉｐｓｕｍ ｄｏｌｏｒ'),
    'base64 in short lines': `${encode('lorem ipsum ')}\n`,
    'base64 in short words': `${encode('lorem ipsum dolor')} `,
    'every other quad': 'QUFBqqqq',
    'hex of text': hex('lorem ipsum dolor sit amet, '),
    'hex with blanks': [...'lorem ipsum dolor'].map((each) => hex(each)).join(' '),
    'digits with colons': '12:34:',
    escapes: escapeAll('lorem ipsum'),
    'escapes of full-width': '\\uff41\\uff42',
    percent: percent('lorem ipsum'),
    'percent of UTF-8': '%e2%80%8ba',
    'percent of escapes': percent('\\u0041'),
    entities: '&#97;&#x62;&lowbar;',
    digits: '4111 1111 1111 1111 ',
    'opening lines': '-----BEGIN RSA PRIVATE KEY-----\n',
    'opening lines with lines': `-----BEGIN RSA PRIVATE KEY-----\n${'MIIEpAIBAAKCAQEA04up8hoqzS1APIB0RhjXyObw'.slice(0, 39)}\n`,
    'headers of tokens': 'eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.',
    'headers of no tokens': 'eyJaaaaaaaaaaaaaaaa.eyJaaaaaaa.',
    'tokens in tokens': `${'eyJ-'.repeat(240)}.eyJaaaa.`,
    addresses: 'https://a:',
    'addresses with users': 'https://a:bbbbbbbb@ ',
  };
  return Object.entries(seeds).map(([name, seed]) => ({ family: name, name, of: fill(seed) }));
}
