import fc from 'fast-check';

/** A fixed seed and a few seconds where nobody says otherwise: what fails in CI fails everywhere. `npm run fuzz` says. */
const SEED = Number(process.env.AEGIS_FUZZ_SEED ?? 20_261_122);
const SECONDS = Number(process.env.AEGIS_FUZZ_SECONDS ?? 3);
/** What a campaign may take beside its time: to start, and to make a failure small. */
const SPARE_MS = 120_000;

/** For the timeout of the test around a campaign. */
export const CAMPAIGN_TIMEOUT_MS = SECONDS * 1_000 + SPARE_MS;

/** Tries inputs until the time is over; a failure is made small and shown with its seed. */
export async function campaign<T>(
  input: fc.Arbitrary<T>,
  check: (value: T) => void | Promise<void>,
  { examples = [] }: { readonly examples?: readonly T[] } = {},
): Promise<void> {
  let runs = 0;
  const property = fc.asyncProperty(input, async (value) => {
    runs += 1;
    await check(value);
  });
  await fc.assert(property, {
    seed: SEED,
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: SECONDS * 1_000,
    markInterruptAsFailure: false,
    examples: examples.map((example): [T] => [example]),
  });
  if (process.env.AEGIS_FUZZ_SEED !== undefined) {
    console.log(`${expect.getState().currentTestName}: ${runs} inputs in ${SECONDS} s, seed ${SEED}`);
  }
  // A campaign that tried nothing proves nothing.
  expect(runs).toBeGreaterThan(examples.length);
}

/** A text with some of its pieces taken out, doubled, swapped or replaced: nearly right, which is where readers fail. */
export function mutationsOf(texts: readonly string[], tokens: readonly string[]): fc.Arbitrary<string> {
  const change = fc.record({
    at: fc.nat(),
    length: fc.oneof(fc.constant(1), fc.integer({ min: 0, max: 40 })),
    put: fc.oneof(
      fc.constant(''),
      fc.constantFrom(...tokens),
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.nat({ max: 2_000 }).map((count) => 'x'.repeat(count)),
    ),
    how: fc.constantFrom('replace', 'insert', 'double', 'cut'),
  });
  return fc
    .tuple(fc.constantFrom(...texts), fc.array(change, { minLength: 1, maxLength: 6 }))
    .map(([text, changes]) => changes.reduce(mutate, text));
}

interface Change {
  readonly at: number;
  readonly length: number;
  readonly put: string;
  readonly how: string;
}

function mutate(text: string, { at, length, put, how }: Change): string {
  const start = text.length === 0 ? 0 : at % text.length;
  const end = start + length;
  switch (how) {
    case 'insert':
      return text.slice(0, start) + put + text.slice(start);
    case 'double':
      return text.slice(0, end) + text.slice(start);
    case 'cut':
      return text.slice(0, start);
    default:
      return text.slice(0, start) + put + text.slice(end);
  }
}
