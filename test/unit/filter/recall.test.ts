import { detectAll } from '../../../src/filter/detectors/text-detector.js';
import { findGivenCases, GIVEN_FILES, measureGiven } from '../../eval/given-cases.mjs';
import { measureDisguised, measureWrapped } from '../../eval/recall.mjs';
import { describeCounts, type Tally } from '../../eval/tally.mjs';
import { detector } from './support.js';

/** `npm run eval:filter` measures the same with more and other credentials. Another seed here must do as well. */
const EFFORT = { seed: 20_260_101, tokens: 1 };

const detect = (text: string) => detectAll(detector, text);
/** What is specific enough to be acted upon, not only noted. */
const findSpecific = (text: string) => detect(text).filter(({ actions }) => actions.request !== 'flag');

function expectShare(tally: Tally, share: number): void {
  const missed = `${describeCounts(tally.missedKinds)} / ${describeCounts(tally.missedWays)}`;
  expect({ missed, enough: tally.share >= share }).toEqual({ missed, enough: true });
}

describe('fresh credentials of the core types', () => {
  it('are found in chat prose and every wrapping, all of each', () => {
    // One type that is no longer found costs 0.9 %, one wrapping 1.8 %.
    expectShare(measureWrapped(findSpecific, EFFORT), 0.995);
  });

  it('are found in every disguise', () => {
    // One disguise that is no longer seen through costs 3 %.
    expectShare(measureDisguised(findSpecific, EFFORT), 0.99);
  });
});

const folder = findGivenCases(process.env);
(folder === null ? describe.skip : describe)("other scanners' labelled texts", () => {
  it.each(GIVEN_FILES.map((file, index) => [file, [0.985, 0.975, 0.9, 0.75][index] ?? 0] as const))(
    '%s: of the types the rules claim at least %d are found',
    (file, floor) => {
      expectShare(measureGiven(detect, folder ?? '', file).claimed, floor);
    },
  );
});
