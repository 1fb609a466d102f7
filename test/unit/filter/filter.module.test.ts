import type { LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { INSTALLATION_SECRET } from '../../../src/domain/installation-secret.js';
import { FilterModule } from '../../../src/filter/filter.module.js';
import { FilterPipe } from '../../../src/filter/filter.pipe.js';
import { FilterService } from '../../../src/filter/filter.service.js';
import { FilterRules } from '../../../src/filter/filter-rules.js';
import { contextOf, SECRETS, say } from './support.js';

const QUIET: LoggerService = { log: () => undefined, error: () => undefined, warn: () => undefined };

const pseudonymize = () => contextOf({ action: 'pseudonymize' });

describe('the filter module', () => {
  it('searches by the rules of the request’s own configuration', async () => {
    const module = await Test.createTestingModule({ imports: [FilterModule] }).compile();
    const service = module.get(FilterService);
    expect(module.get(FilterPipe)).toBeInstanceOf(FilterPipe);
    expect(module.get(FilterRules)).toBeInstanceOf(FilterRules);
    expect(() => service.screen(say(SECRETS.github), contextOf())).toThrow(/github-token/);
    expect(service.screen(say(SECRETS.github), contextOf({ rules: { secrets: [] } }))).toMatchObject({ findings: [] });
    await module.close();
  });

  it.each([
    ['there is none', []],
    ['it is empty', [{ provide: INSTALLATION_SECRET, useValue: '' }]],
  ])('gives no value a name without a secret to make it with: %s', async (_, providers) => {
    const module = await Test.createTestingModule({ imports: [FilterModule], providers })
      .setLogger(QUIET)
      .compile();
    expect(() => module.get(FilterService).screen(say(SECRETS.github), pseudonymize())).toThrow(/could not search/);
    await module.close();
  });

  it('makes names with the secret of the installation', async () => {
    const providers = [{ provide: INSTALLATION_SECRET, useValue: 'a pepper that is used in tests only' }];
    const module = await Test.createTestingModule({ imports: [FilterModule], providers }).compile();
    const screened = await module.get(FilterService).screen(say(SECRETS.github), pseudonymize());
    expect(screened.chat.messages[0]?.content).toMatch(/^\[\[AEGIS:GITHUB_TOKEN:[0-9a-f]{12}\]\]$/);
    await module.close();
  });
});
