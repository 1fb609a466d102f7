import type { RequestText } from './text-walker.js';

/** Texts that follow each other, joined as if nothing stood between them. */
export interface JoinedTexts {
  readonly text: string;
  /** Where one text ends and the next begins. */
  readonly seams: readonly number[];
  /** The path of the text that holds an index. */
  pathOf(index: number): string;
}

/** How far around a seam a credential that was split there is looked for. */
const REACH = 512;

/**
 * The surroundings of every place where two texts meet: a credential cut in two is in neither. Surroundings that touch
 * are joined, so that a credential in many small pieces is seen whole and nothing is read more than once.
 */
export function* joinNeighbours(texts: readonly RequestText[]): Generator<JoinedTexts> {
  const filled = texts.filter(({ value }) => value !== '');
  let first = 0;
  while (first < filled.length - 1) {
    const pieces: { readonly path: string; readonly end: number }[] = [];
    const parts: string[] = [tail(filled[first]?.value ?? '')];
    let length = parts[0]?.length ?? 0;
    pieces.push({ path: filled[first]?.path ?? '', end: length });
    const seams: number[] = [];
    let next = first + 1;
    for (; next < filled.length; next++) {
      const { value, path } = filled[next] ?? { value: '', path: '' };
      seams.push(length);
      const isWhole = value.length <= 2 * REACH && next < filled.length - 1;
      const part = isWhole ? value : value.slice(0, REACH);
      parts.push(part);
      length += part.length;
      pieces.push({ path, end: length });
      if (!isWhole) break;
    }
    yield {
      text: parts.join(''),
      seams,
      pathOf: (index) => pieces.find(({ end }) => index < end)?.path ?? pieces.at(-1)?.path ?? '',
    };
    first = next;
  }
}

function tail(value: string): string {
  return value.slice(Math.max(0, value.length - REACH));
}
