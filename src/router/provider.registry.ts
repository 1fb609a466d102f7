import { Inject, Injectable } from '@nestjs/common';
import type { ProviderAdapter } from '../domain/provider-adapter.js';
import type { ProviderType } from '../domain/target.js';

/** Injection token of every adapter there is: `readonly ProviderAdapter[]`. */
export const ADAPTERS = Symbol('ProviderAdapters');

/** Which adapter speaks a provider type's API. Two adapters for one type make the start fail. */
@Injectable()
export class ProviderRegistry {
  private readonly adapters = new Map<ProviderType, ProviderAdapter>();

  constructor(@Inject(ADAPTERS) adapters: readonly ProviderAdapter[]) {
    for (const adapter of adapters) {
      const other = this.adapters.get(adapter.type);
      if (other) {
        throw new Error(
          `Two adapters claim provider type "${adapter.type}": ${other.constructor.name} and ${adapter.constructor.name}.`,
        );
      }
      this.adapters.set(adapter.type, adapter);
    }
  }

  /** Throws where no adapter speaks this type: a fault of the build, since configuration admits known types only. */
  get(type: ProviderType): ProviderAdapter {
    const adapter = this.adapters.get(type);
    if (!adapter) {
      throw new Error(`No adapter speaks provider type "${type}"; known: ${[...this.adapters.keys()].join(', ')}.`);
    }
    return adapter;
  }
}
