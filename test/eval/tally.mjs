/** Counts hits and remembers what was missed: of what kind and in which way, never the text. */
export class Tally {
  hits = 0;
  all = 0;
  /** By kind and by way: how many were missed. */
  missedKinds = new Map();
  missedWays = new Map();

  count(kind, way, hit) {
    this.all++;
    if (hit) {
      this.hits++;
      return;
    }
    this.missedKinds.set(kind, (this.missedKinds.get(kind) ?? 0) + 1);
    this.missedWays.set(way, (this.missedWays.get(way) ?? 0) + 1);
  }

  get share() {
    return this.all === 0 ? 0 : this.hits / this.all;
  }
}

/** The largest counts first: `a 3, b 1`. */
export function describeCounts(counts, limit = 12) {
  const sorted = [...counts].sort((one, other) => other[1] - one[1]);
  const rest = sorted.length > limit ? `, and ${sorted.length - limit} more` : '';
  return (
    sorted
      .slice(0, limit)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') + rest
  );
}
