import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { RuleScanner } from './engine/rule-scanner.js';
import { FilterPipe } from './filter.pipe.js';
import { FilterService } from './filter.service.js';
import { readSecretRules } from './secret-rules.file.js';

/**
 * Injection token of the folder `secret-rules.yaml` is read from. Where nobody provides it: `AEGIS_CONFIG_DIR`, else
 * `config`.
 */
export const SECRET_RULES_DIRECTORY = Symbol('SecretRulesDirectory');

const DEFAULT_DIRECTORY = 'config';

/** Searches requests before they are routed. The start fails where the rules are wrong. */
@Module({
  providers: [
    {
      provide: RuleScanner,
      inject: [
        { token: SECRET_RULES_DIRECTORY, optional: true },
        { token: ConfigService, optional: true },
      ],
      useFactory: async (directory?: string, environment?: ConfigService) => {
        const fromEnvironment = environment?.get<string>('AEGIS_CONFIG_DIR') ?? process.env.AEGIS_CONFIG_DIR;
        return new RuleScanner(await readSecretRules(directory ?? (fromEnvironment || DEFAULT_DIRECTORY)));
      },
    },
    FilterService,
    FilterPipe,
  ],
  exports: [FilterPipe, FilterService],
})
export class FilterModule {}
