import type { PhraseHit } from './prompt-injection-matcher.js';
import type { Concept } from './prompt-injection-phrases.js';

/** The kinds of attempts, as rule ids of the filter `prompt_injection`. */
export const INJECTION_FAMILIES = [
  'instruction-override',
  'fake-role-marker',
  'system-prompt-probe',
  'role-play-jailbreak',
  'hidden-text',
  'data-exfiltration',
  'hidden-agenda',
  'encoded-instruction',
] as const;
export type InjectionFamily = (typeof INJECTION_FAMILIES)[number];

/** A reason to think so: how strong, 1 to 100, and where. */
export interface InjectionSignal {
  readonly family: InjectionFamily;
  readonly weight: number;
  readonly start: number;
  readonly end: number;
}

/** How far apart, in words, phrases still belong together. */
const NEAR = 7;
const SAME_PARAGRAPH = 40;
/** However many phrases are crowded together, so many neighbours are looked at. */
const MAX_NEIGHBOURS = 64;

/** What a phrase and those around it say together. `hits` are in the order of the text. */
export function combinePhrases(hits: readonly PhraseHit[], index: number): readonly InjectionSignal[] {
  const hit = hits[index];
  const combine = hit && COMBINATIONS[hit.concept];
  if (!combine) return NOTHING;
  const { start, end } = hit;
  return combine(new Surroundings(hits, index)).flatMap((signal) =>
    signal.weight > 0 ? [{ ...signal, start, end }] : NOTHING,
  );
}

const NOTHING: readonly InjectionSignal[] = [];

type Weighed = Omit<InjectionSignal, 'start' | 'end'>;
type Combination = (around: Surroundings) => readonly Weighed[];

/** What stands around a phrase. */
class Surroundings {
  private readonly near: ReadonlySet<Concept>;
  private readonly far: ReadonlySet<Concept>;

  constructor(hits: readonly PhraseHit[], index: number) {
    const near = new Set<Concept>();
    const far = new Set<Concept>();
    const place = hits[index]?.place ?? 0;
    for (const step of [-1, 1]) {
      for (let count = 1; count <= MAX_NEIGHBOURS; count++) {
        const other = hits[index + step * count];
        const distance = Math.abs((other?.place ?? Number.POSITIVE_INFINITY) - place);
        if (!other || distance > SAME_PARAGRAPH) break;
        far.add(other.concept);
        if (distance <= NEAR) near.add(other.concept);
      }
    }
    this.near = near;
    this.far = far;
  }

  /** Points for a phrase within a few words. */
  points(concept: Concept, points: number): number {
    return this.near.has(concept) ? points : 0;
  }

  has(concept: Concept): boolean {
    return this.near.has(concept);
  }

  hasInParagraph(concept: Concept): boolean {
    return this.far.has(concept);
  }
}

const COMBINATIONS: Readonly<Partial<Record<Concept, Combination>>> = {
  override: (around) => [override(around, 2)],
  'override-usual': (around) => [
    around.has('instructions') || around.has('own-prompt')
      ? override(around, 1.5)
      : weaken(override(around, 1.5), around),
  ],
  'override-weak': (around) => [weaken(override(around, 0.5), around)],
  'own-prompt': probe,
  'text-above': (around) => [{ family: 'system-prompt-probe', weight: probeWeight(around, 3) }],
  unbound: (around) => [
    {
      family: 'role-play-jailbreak',
      weight: around.hasInParagraph('become') || around.hasInParagraph('from-now-on') ? 62 : 15,
    },
  ],
  'unbound-weak': (around) => [
    {
      family: 'role-play-jailbreak',
      weight:
        around.hasInParagraph('unbound') && around.hasInParagraph('become')
          ? 65
          : around.has('become') || around.has('from-now-on')
            ? 40
            : 8,
    },
  ],
  persona: (around) => [
    { family: 'role-play-jailbreak', weight: around.hasInParagraph('become') || around.has('unbound-weak') ? 75 : 55 },
  ],
  'new-orders': (around) => [
    {
      family: 'instruction-override',
      weight: around.hasInParagraph('override') || around.hasInParagraph('marker') ? 35 : 6,
    },
  ],
  marker: (around) => [
    {
      family: 'fake-role-marker',
      weight:
        around.hasInParagraph('new-orders') || around.hasInParagraph('unbound') || around.hasInParagraph('override')
          ? 60
          : 32,
    },
  ],
  secrecy: (around) => [
    {
      family: 'hidden-agenda',
      weight: around.hasInParagraph('private-data') || around.hasInParagraph('to-the-model') ? 60 : 30,
    },
  ],
  'to-the-model': (around) => [
    {
      family: 'hidden-agenda',
      weight: ['new-orders', 'override', 'secrecy', 'send', 'marker', 'own-prompt', 'reveal'].some((concept) =>
        around.hasInParagraph(concept as Concept),
      )
        ? 58
        : 30,
    },
  ],
  'private-data': (around) => [
    {
      family: 'data-exfiltration',
      weight: around.has('send')
        ? around.hasInParagraph('secrecy') || around.hasInParagraph('to-the-model')
          ? 60
          : 18
        : 0,
    },
  ],
};

/** A verb, what it sets aside, and whose or which: each adds, and a verb alone says nothing. */
function override(around: Surroundings, verb: number): Weighed {
  const what = Math.max(
    around.points('instructions', 3),
    around.points('own-prompt', 3),
    around.points('everything', 2),
    around.points('rules', 2),
    around.points('message', 0.5),
  );
  const which = Math.max(
    around.points('before', 3),
    around.points('yours', 2),
    around.points('systems', 2),
    around.points('text-above', 3),
  );
  const scope = Math.max(which, around.points('all', 1)) + (which > 0 ? around.points('all', 0.5) : 0);
  const points =
    what === 0 || scope === 0 ? 0 : verb + what + scope - around.points('mine', 1.5) - around.points('theirs', 2.5);
  return {
    family: 'instruction-override',
    weight: points >= 7.5 ? 85 : points >= 7 ? 78 : points >= 6 ? 60 : points >= 5 ? 30 : 0,
  };
}

/** What is removed or replaced is mostly something else than a model's instructions. */
function weaken(signal: Weighed, around: Surroundings): Weighed {
  return around.has('yours') || around.has('systems') ? signal : { ...signal, weight: Math.min(signal.weight, 30) };
}

function probe(around: Surroundings): Weighed[] {
  return [{ family: 'system-prompt-probe', weight: probeWeight(around, 3 + around.points('yours', 1)) }];
}

function probeWeight(around: Surroundings, object: number): number {
  const verb = Math.max(around.points('reveal', 2), around.points('reveal-weak', 1));
  const points =
    verb === 0
      ? 0
      : verb + object + around.points('verbatim', 2) + around.points('before', 0.5) - around.points('theirs', 2);
  return points >= 7 ? 85 : points >= 6 ? 75 : points >= 5 ? 58 : points >= 4 ? 25 : 0;
}
