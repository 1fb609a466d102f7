import fc from 'fast-check';
import { stringify } from 'yaml';
import { CONFIG_FILE_NAMES, type ConfigFileName } from '../../src/config/files.js';
import { formatProblem } from '../../src/config/problem.js';
import { load, shipped, VALID } from '../unit/config/support.js';
import { CAMPAIGN_TIMEOUT_MS, campaign, mutationsOf } from './support/campaign.js';

const SECRET = 'KanarieGeheimnis0123456789abcdefghijk';
const TOKENS = [
  ...[
    `\${`,
    '}',
    `\${SECRET}`,
    `\${SECRET:}`,
    `\${file:/secret}`,
    `\${X:\${Y}}`,
    ': ',
    '- ',
    '\n',
    '\n  ',
    '#',
    '|',
    '>',
    '&a ',
    '*a',
  ],
  ...[
    '!!binary ',
    '!!js/function ',
    '<<: *a',
    '"',
    "'",
    '[',
    ']',
    '{',
    '}',
    '\t',
    '---\n',
    '? ',
    '__proto__',
    'constructor',
  ],
  ...[
    'null',
    '~',
    'true',
    '0',
    '-1',
    '1e999',
    '.inf',
    '.nan',
    '0x10',
    '99999999999999999999',
    '10s',
    '1h',
    '20MiB',
    '\ufeff',
    '\0',
  ],
];
const environment = { SECRET, AEGIS_KEY_PEPPER: SECRET, OPENAI_API_KEY: SECRET };

/** Right, or refused with a reason that has a place and tells nothing of what must not be told. */
function expectSaneVerdict(texts: Partial<Record<ConfigFileName, string>>): void {
  const result = load(texts, { environment, secrets: { '/secret': SECRET } });
  if (result.ok) {
    expect(Object.isFrozen(result.snapshot.gateway)).toBe(true);
    return;
  }
  expect(result.problems.length).toBeGreaterThan(0);
  for (const problem of result.problems.map(formatProblem)) {
    expect(problem).toMatch(/\.yaml/);
    expect(problem).not.toContain(SECRET);
  }
  expect('polluted' in {}).toBe(false);
}

describe('the configuration', () => {
  const texts = ['config', 'config/production'].map(shipped);

  it.each(CONFIG_FILE_NAMES)(
    'has a verdict on every %s that nearly is one',
    async (file) => {
      await campaign(mutationsOf([VALID[file], ...texts.map((files) => files[file])], TOKENS), (text) =>
        expectSaneVerdict({ [file]: text }),
      );
    },
    CAMPAIGN_TIMEOUT_MS,
  );

  it(
    'has a verdict on every YAML there is',
    async () => {
      const key = fc.oneof(
        fc.constantFrom(
          'server',
          'port',
          'providers',
          'models',
          'primary',
          'provider',
          'prices',
          '__proto__',
          'constructor',
          'api_key',
        ),
        fc.string({ maxLength: 12 }),
      );
      const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
        tree: fc.oneof(
          { depthSize: 'small', withCrossShrink: true },
          fc.oneof(fc.string(), fc.integer(), fc.double(), fc.boolean(), fc.constant(null), fc.constantFrom(...TOKENS)),
          fc.array(tie('tree'), { maxLength: 5 }),
          fc.dictionary(key, tie('tree'), { maxKeys: 6 }),
        ),
      }));
      await campaign(fc.record({ file: fc.constantFrom(...CONFIG_FILE_NAMES), tree }), ({ file, tree: value }) =>
        expectSaneVerdict({ [file]: stringify(value) }),
      );
    },
    CAMPAIGN_TIMEOUT_MS,
  );
});
