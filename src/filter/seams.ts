import type { RequestText } from './text-walker.js';

/** Texts that follow each other, joined as if nothing stood between them. */
export interface JoinedTexts {
  readonly text: string;
  /** Where one text ends and the next begins. */
  readonly seams: readonly number[];
  /** The path of the text that holds an index. */
  pathOf(index: number): string;
}

/** Many small texts are joined piece by piece. */
const MAX_JOINED = 32_768;
/** How far around a seam a credential that was split there is looked for. */
const REACH = 512;

/**
 * The surroundings of every place where two texts meet: a credential cut in two is in neither. Surroundings that touch
 * are joined, so that a credential in many small pieces is seen whole and nothing is read more than once.
 */
export function* joinNeighbours(texts: readonly RequestText[]): Generator<JoinedTexts> {
  let first = 0;
  while (first < texts.length - 1) {
    const joined = new Joining(texts[first]);
    let next = first + 1;
    let whole = true;
    for (; next < texts.length && whole && joined.length < MAX_JOINED; next++) {
      whole = joined.add(texts[next]);
    }
    yield joined;
    first = next - 1;
    if (whole) first = stepBack(texts, first);
  }
}

/** Where to begin again so that what was joined last is seen once more beside what follows it. */
function stepBack(texts: readonly RequestText[], last: number): number {
  if (last >= texts.length - 1) return last;
  let first = last;
  for (let length = 0; first > 0 && length < REACH; first--) length += texts[first]?.value.length ?? 0;
  return first;
}

class Joining implements JoinedTexts {
  readonly seams: number[] = [];
  length = 0;
  private readonly parts: string[] = [];
  private readonly pieces: { readonly path: string; readonly end: number }[] = [];

  constructor(first: RequestText | undefined) {
    this.append(first?.path ?? '', (first?.value ?? '').slice(-REACH));
  }

  get text(): string {
    return this.parts.join('');
  }

  /** False where only the beginning was taken, because the text is longer than the surroundings of its two seams. */
  add(text: RequestText | undefined): boolean {
    const value = text?.value ?? '';
    const whole = value.length <= 2 * REACH;
    this.seams.push(this.length);
    this.append(text?.path ?? '', whole ? value : value.slice(0, REACH));
    return whole;
  }

  pathOf(index: number): string {
    return this.pieces.find(({ end }) => index < end)?.path ?? '';
  }

  private append(path: string, part: string): void {
    this.parts.push(part);
    this.length += part.length;
    this.pieces.push({ path, end: this.length });
  }
}
