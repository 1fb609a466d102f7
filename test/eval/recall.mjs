import { CREDENTIALS } from './credentials.mjs';
import { DISGUISES } from './disguises.mjs';
import { Random } from './random.mjs';
import { Tally } from './tally.mjs';
import { WRAPPINGS } from './wrappings.mjs';

/**
 * Fresh credentials in every wrapping. `find` says what stands out in a text: ranges. A credential counts as found where
 * one of them takes all of its secret in: a part that stays is a leak.
 */
export function measureWrapped(find, { seed, tokens }) {
  const random = new Random(seed);
  const tally = new Tally();
  for (const { type, label, make } of CREDENTIALS) {
    for (let round = 0; round < tokens; round++) {
      const credential = make(random);
      for (const { name, wrap } of WRAPPINGS) {
        const { text, start, end } = wrap(credential, label);
        tally.count(
          type,
          name,
          find(text).some((range) => range.start <= start && range.end >= end),
        );
      }
    }
  }
  return tally;
}

/** Fresh credentials in every disguise. Found where anything found lies in the disguised text. */
export function measureDisguised(find, { seed, tokens }) {
  const random = new Random(seed);
  const tally = new Tally();
  for (const { type, label, make } of CREDENTIALS) {
    for (let round = 0; round < tokens; round++) {
      const { before, secret, after } = make(random);
      const credential = before + secret + after;
      for (const { name, disguise, whole } of DISGUISES) {
        const said = label === null ? '' : `${label}: `;
        const [beginning, ending] = ['Can you check this? ', ' Thanks.'];
        const inner = whole ? disguise(said + credential, random) : said + disguise(credential, random);
        const text = `${beginning}${inner}${ending}`;
        const end = beginning.length + inner.length;
        tally.count(
          type,
          name,
          find(text).some((range) => range.start < end && range.end > beginning.length),
        );
      }
    }
  }
  return tally;
}
