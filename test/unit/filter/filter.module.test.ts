import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Global, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { FilterModule, SECRET_RULES_DIRECTORY } from '../../../src/filter/filter.module.js';
import { FilterPipe } from '../../../src/filter/filter.pipe.js';
import { FilterService } from '../../../src/filter/filter.service.js';
import { contextOf, SECRETS, say } from './support.js';

const OWN_RULE = `rules:
  - {id: acme-badge, vendor: Acme, type: badge, severity: high, anchors: [BADGE-], pattern: 'BADGE-[0-9]{6}',
     max_length: 12, examples: {positive: [BADGE-482913]}}`;

describe('the filter module', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'aegis-rules-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const start = () => {
    @Global()
    @Module({
      providers: [{ provide: SECRET_RULES_DIRECTORY, useFactory: () => directory }],
      exports: [SECRET_RULES_DIRECTORY],
    })
    class DirectoryModule {}
    return Test.createTestingModule({ imports: [DirectoryModule, FilterModule] }).compile();
  };

  it('reads the rules of the configuration folder', async () => {
    await writeFile(join(directory, 'secret-rules.yaml'), OWN_RULE);
    const module = await start();
    const service = module.get(FilterService);
    expect(module.get(FilterPipe)).toBeInstanceOf(FilterPipe);
    expect(() => service.screen(say('my badge is BADGE-482913'), contextOf())).toThrow(/acme-badge/);
    expect(service.screen(say(SECRETS.github), contextOf())).toMatchObject({ findings: [] });
    await module.close();
  });

  it('uses the shipped rules where the folder has none', async () => {
    const module = await start();
    expect(() => module.get(FilterService).screen(say(SECRETS.github), contextOf())).toThrow(/github-token/);
    await module.close();
  });

  it('refuses to start with bad rules, naming file, line and every problem', async () => {
    await writeFile(
      join(directory, 'secret-rules.yaml'),
      OWN_RULE.replace('max_length: 12', 'max_length: 3, colour: red'),
    );
    const fault = await start().catch((error: Error) => error.message);
    expect(fault).toContain(`${join(directory, 'secret-rules.yaml')}:`);
    expect(fault).toContain("unknown key 'colour'");
    expect(fault).toContain('more than max_length');
  });
});
