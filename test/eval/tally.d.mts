export class Tally {
  readonly hits: number;
  readonly all: number;
  readonly share: number;
  readonly missedKinds: ReadonlyMap<string, number>;
  readonly missedWays: ReadonlyMap<string, number>;
}

export function describeCounts(counts: ReadonlyMap<string, number>, limit?: number): string;
