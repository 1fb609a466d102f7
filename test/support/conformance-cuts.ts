import { isSame } from './conformance-expectation.js';
import { readRecorded } from './conformance-reading.js';
import { eventBorders, type Reading } from './conformance-told.js';
import { randomFrom, seedOf } from './conformance-variants.js';
import type { Recording } from './recordings.js';

/** A stream that ends early. */
export interface Cut {
  /** Where, for whoever looks for it. */
  readonly place: string;
  readonly part: string;
  /** Null: an error must come of it. Else why it cannot, or need not, be told from a whole one. */
  readonly exempt: string | null;
}

const RANDOM_PLACES = 6;
/** How many parts that already are whole are tried: a stream may have many of them. */
const MAX_WHOLE_PARTS = 4;

/** A recording cut at every event border, and at some places anywhere. */
export function cutsOf({ id, api, body_text: body }: Recording): Cut[] {
  const whole = readRecorded(api, true, body);
  const random = randomFrom(seedOf(id));
  const places = Array.from({ length: RANDOM_PLACES }, () => Math.floor(random() * body.length));
  const cuts = [
    ...eventBorders(body).map((end, count) => ({ place: `after event ${count + 1}`, end })),
    ...places.map((end) => ({ place: `after ${end} characters`, end })),
  ];
  let exempted = 0;
  return cuts
    .filter(({ end }) => end < body.length)
    .map(({ place, end }) => {
      // Half of a character is as good a cut as any, but no text: it is left to the splits.
      const part = body.slice(0, /[\uD800-\uDBFF]/.test(body.charAt(end - 1)) ? end - 1 : end);
      return { place, part, exempt: exemption(readRecorded(api, true, part), whole) };
    })
    .filter(({ exempt }) => exempt === null || exempted++ < MAX_WHOLE_PARTS);
}

function exemption(part: Reading, whole: Reading): string | null {
  if (part.state !== 'whole') return null;
  if (isSame(part.choices, whole.choices)) {
    return isSame(part.usage, whole.usage)
      ? 'nothing is missing but [DONE], message_stop, an error or comments after the last word and finish'
      : 'every word and finish is there; only the usage count, which no chunk promised, and [DONE] are missing';
  }
  if (part.closed) return null;
  if (whole.oddities.has('words after a finish')) {
    return 'the server says "finished" before its last word: the part cannot be told from a whole answer without [DONE]';
  }
  if (part.choices.length < whole.choices.length) {
    return 'a choice has not begun when the others are finished: the part cannot be told from a whole answer';
  }
  return null;
}
