import { Module } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { INSTALLATION_SECRET } from '../domain/installation-secret.js';
import { FilterPipe } from './filter.pipe.js';
import { FilterService } from './filter.service.js';
import { FilterRules } from './filter-rules.js';
import { PseudonymKeys } from './pseudonyms.js';

/**
 * Searches requests before they are routed, by the rules of each request's configuration: load it with
 * `FILTER_SETTINGS`, which checks them.
 */
@Module({
  providers: [
    FilterRules,
    {
      provide: PseudonymKeys,
      inject: [ModuleRef],
      // Asked for at its first use: who holds it may not have been made yet.
      useFactory: (modules: ModuleRef) =>
        new PseudonymKeys(() => modules.get<string>(INSTALLATION_SECRET, { strict: false })),
    },
    FilterService,
    FilterPipe,
  ],
  exports: [FilterPipe, FilterService, FilterRules],
})
export class FilterModule {}
