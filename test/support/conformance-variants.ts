import { cutAt, singleBytes } from './replay-upstream.js';

/** Another way for the same recording to come over the wire. */
export interface Variant {
  readonly name: string;
  readonly pieces: readonly Buffer[];
  /** False where the events may be spelt otherwise, and only have to mean the same. */
  readonly byteForByte: boolean;
}

const RANDOM_CUTS = 20;

/** Numbers from 0 to below 1 that a seed repeats. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The same bytes in other pieces: one by one, and cut at 20 random places for each seed. */
export function splits(body: string, seeds: readonly number[]): Variant[] {
  const bytes = Buffer.from(body);
  const cuts = seeds.map((seed) => {
    const random = randomFrom(seed);
    const places = Array.from({ length: RANDOM_CUTS }, () => Math.floor(random() * (bytes.length + 1)));
    return { name: `20 random cuts, seed ${seed}`, pieces: cutAt(bytes, places), byteForByte: true };
  });
  return [{ name: 'byte by byte', pieces: singleBytes(bytes), byteForByte: true }, ...cuts];
}

/** Other bytes that are the same events: server-sent events leave a server much freedom. */
export function respellings(body: string): Variant[] {
  const lines = body.replace(/\r\n?/g, '\n');
  const texts: Readonly<Record<string, string>> = {
    'lines that end in LF': lines,
    'lines that end in CR LF': lines.replaceAll('\n', '\r\n'),
    'lines that end in CR': lines.replaceAll('\n', '\r'),
    'comments between events': `: hello\n\n${lines.replace(/\n\n+/g, '\n\n: still here\n\n')}`,
    'comments within events': lines.replace(/^data:/gm, ': still here\ndata:'),
    'no space after the colon': lines.replace(/^(data|event): /gm, '$1:'),
    'a byte order mark': `\uFEFF${lines}`,
    'ids and retry times': lines.replace(/^data:/gm, 'id: 7\nretry: 1000\ndata:'),
  };
  const variants = Object.entries(texts).map(([name, text]) => {
    // In pieces, so that no two bytes of a line end are sure to come together.
    const bytes = Buffer.from(text);
    const places = Array.from({ length: Math.floor(bytes.length / 61) }, (_none, count) => count * 61);
    return { name, pieces: cutAt(bytes, places), byteForByte: true };
  });
  const manyLines = lines.replace(/^data: ?\{/gm, 'data: {\ndata: ');
  return [...variants, { name: 'data over two lines', pieces: [Buffer.from(manyLines)], byteForByte: false }];
}

/** A number from a text, so that each recording has seeds of its own that stay. */
export function seedOf(text: string): number {
  let seed = 2_166_136_261;
  for (const character of text) seed = Math.imul(seed ^ (character.codePointAt(0) ?? 0), 16_777_619) >>> 0;
  return seed;
}
