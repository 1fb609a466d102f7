const MAX_LENGTH = 64;

/** ` (did you mean "x"?)` where one of the known words is close to what was written; else nothing. */
export function suggest(written: string, known: Iterable<string>): string {
  if (written.length > MAX_LENGTH) return '';
  let closest: string | undefined;
  let least = Math.max(2, Math.floor(written.length / 3)) + 1;
  for (const word of known) {
    const distance = editDistance(normalise(written), normalise(word));
    if (distance < least) [closest, least] = [word, distance];
  }
  return closest === undefined ? '' : ` (did you mean "${closest}"?)`;
}

/** Case and the way words are joined are the commonest slips, and cost nothing. */
function normalise(word: string): string {
  return word.slice(0, MAX_LENGTH).toLowerCase().replaceAll('-', '_');
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one word into the other. */
function editDistance(first: string, second: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: second.length + 1 }, (_, index) => index);
  for (let row = 1; row <= first.length; row++) {
    const current = [row];
    for (let column = 1; column <= second.length; column++) {
      const same = first[row - 1] === second[column - 1];
      let cost = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + (same ? 0 : 1));
      const swapped = first[row - 1] === second[column - 2] && first[row - 2] === second[column - 1];
      if (row > 1 && column > 1 && swapped) cost = Math.min(cost, at(beforeLast, column - 2) + 1);
      current.push(cost);
    }
    [beforeLast, last] = [last, current];
  }
  return at(last, second.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
