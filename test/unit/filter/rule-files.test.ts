import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { RULE_DOCUMENTS, readRuleFiles } from '../../../src/filter/rule-files.js';

const OWN_RULE = `rules:
  - {id: acme-badge, vendor: Acme, type: badge, severity: high, source: "https://acme.test/", anchors: [BADGE-],
     pattern: 'BADGE-[0-9]{6}', max_length: 12, examples: {positive: [BADGE-482913]}}`;

describe('the rule files of a folder', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'aegis-rules-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('are its own, and the shipped ones where it has none', async () => {
    await writeFile(join(directory, 'secret-rules.yaml'), OWN_RULE);
    const { secrets, personal_data, terms } = await readRuleFiles(directory);
    expect(secrets.file).toBe(join(directory, 'secret-rules.yaml'));
    expect(secrets.rules.map(({ id }) => id)).toEqual(['acme-badge']);
    expect(personal_data.file).toMatch(/config.personal-data-rules\.yaml$/);
    expect(personal_data.rules.length).toBeGreaterThan(10);
    expect(terms).toMatchObject({ text: null, rules: [] });
  });

  it('are refused with file, line and every problem of all of them', async () => {
    await writeFile(
      join(directory, 'secret-rules.yaml'),
      OWN_RULE.replace('max_length: 12', 'max_length: 3, colour: red'),
    );
    await writeFile(join(directory, 'terms.yaml'), 'terms: maybe');
    const fault = await readRuleFiles(directory).catch((error: Error) => error.message);
    expect(fault).toContain(`${join(directory, 'secret-rules.yaml')}:`);
    expect(fault).toContain("unknown key 'colour'");
    expect(fault).toContain('more than max_length');
    expect(fault).toContain(join(directory, 'terms.yaml'));
  });
});

it('the shipped rules are part of every build and of the image', async () => {
  const shipped = RULE_DOCUMENTS.flatMap(({ shippedFile }) => (shippedFile === null ? [] : [basename(shippedFile)]));
  expect(shipped).toEqual(['secret-rules.yaml', 'personal-data-rules.yaml']);
  for (const place of ['scripts/lib/build.mjs', 'Dockerfile']) {
    const text = await readFile(place, 'utf8');
    for (const file of shipped) expect(text).toContain(`config/${file}`);
  }
});
