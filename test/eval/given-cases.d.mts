import type { Tally } from './tally.mjs';

export const GIVEN_FILES: readonly string[];
export function findGivenCases(environment: NodeJS.ProcessEnv): string | null;
export function measureGiven(
  find: (text: string) => readonly unknown[],
  folder: string,
  file: string,
): { readonly claimed: Tally; readonly nearMisses: Tally };
