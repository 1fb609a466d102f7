import type { Tally } from './tally.mjs';

export interface FoundRange {
  readonly start: number;
  readonly end: number;
}

/** `tokens`: fresh ones of each type. */
export interface Effort {
  readonly seed: number;
  readonly tokens: number;
}

export function measureWrapped(find: (text: string) => readonly FoundRange[], effort: Effort): Tally;
export function measureDisguised(find: (text: string) => readonly FoundRange[], effort: Effort): Tally;
