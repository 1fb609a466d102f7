import type { Detection } from '../domain/detector.js';
import type { FilterAction, Finding } from '../domain/finding.js';
import { type Candidate, choose } from './choice.js';
import { detectAll, type TextDetector } from './detectors/text-detector.js';
import { type ScanBudget, ScanBudgetExceededError } from './engine/scan-budget.js';
import { FILTER_NAMES, MEDIA_FILTER } from './filter-names.js';
import type { FilterDetector } from './filter-rules.js';
import { findMarkers, liesInMarker, type Rewrite } from './redaction.js';
import { type JoinedTexts, joinNeighbours } from './seams.js';
import { type RequestText, TextWalker } from './text-walker.js';

/** What is looked for in a request, and what is done about it. */
export interface InspectionPlan {
  readonly detectors: readonly FilterDetector[];
  readonly actionOf: (detection: Detection) => FilterAction | 'off';
  readonly unscannedMedia: 'allow' | 'flag' | 'block';
  /** Whether AEGIS wrote markers into the texts already: what lies in one is not looked at, for the name of a rule can be a match of it. */
  readonly skipMarkers: boolean;
  /** Is shown every text. */
  readonly onText?: (text: string) => void;
}

/** What a look at every text of a request found. */
export interface Inspection {
  /** Each rule once a place; of each action the first `MAX_FINDINGS`. Secrets first, then the rest. */
  readonly findings: readonly Finding[];
  readonly rewrites: readonly Rewrite[];
}

/** A request full of credentials is refused for the first of them; its answer need not name them all. */
export const MAX_FINDINGS = 100;
/** What a text costs however short it is, in the budget's steps. */
const STEPS_PER_TEXT = 100;

/** Looks at every text of a body, one detector after the other. Pauses between slices. */
export function* inspectTexts(body: object, plan: InspectionPlan, budget: ScanBudget): Generator<void, Inspection> {
  const record = new InspectionRecord(plan);
  try {
    yield* inspectAll(body, plan, budget, record);
  } catch (fault) {
    // What is blocked already is blocked whatever the rest holds, and why is of more use than that it was too much.
    if (!(fault instanceof ScanBudgetExceededError && record.isBlocked)) throw fault;
  }
  return record.finish();
}

function* inspectAll(
  body: object,
  plan: InspectionPlan,
  budget: ScanBudget,
  record: InspectionRecord,
): Generator<void, void> {
  const { detectors } = plan;
  const walker = new TextWalker(body);
  for (const text of walker.walk()) {
    if (text === null) {
      yield;
      continue;
    }
    budget.spend(STEPS_PER_TEXT);
    const whole = text.label + text.value;
    plan.onText?.(whole);
    const detections: Detection[] = [];
    for (const { detector, reads } of detectors) {
      if (!reads(body, text.path)) continue;
      for (const detection of yield* detector.scan(whole, budget)) detections.push(detection);
    }
    if (detections.length > 0) record.addAll(text, whole, detections);
    if (budget.passedSlice()) yield;
  }
  const searched = detectors.filter(({ acrossTexts }) => acrossTexts);
  for (const texts of [walker.conversation, walker.toolArguments]) {
    if (searched.length === 0) break;
    for (const joined of joinNeighbours(texts)) {
      for (const { detector } of searched) {
        for (const detection of yield* detector.scan(joined.text, budget)) {
          const seam = joined.seams.find((each) => detection.start < each && each < detection.end);
          if (seam === undefined || isChance(detection, seam, joined, detector)) continue;
          record.addCut(joined.pathOf(detection.start), detection);
        }
      }
      if (budget.passedSlice()) yield;
    }
  }
  for (const { kind, path } of walker.unscanned) record.addUnscanned(`unscanned-${kind}`, path);
}

/** How far beside a seam a value is looked for that needs nothing from the other side. */
const BESIDE_SEAM = 256;
const MESSAGE = /^messages\[\d+\]/;

/**
 * Whether texts only happen to make a value of prose where they meet: a question that ends without a stop before an
 * e-mail address. So it is between two messages, and where the value is there without the other text. Credentials are
 * no prose: they are never taken for chance.
 */
function isChance(
  { filter, rule, start, end }: Detection,
  seam: number,
  joined: JoinedTexts,
  by: TextDetector,
): boolean {
  if (filter === 'secrets') return false;
  const [before, after] = [joined.pathOf(start), joined.pathOf(end - 1)].map((path) => MESSAGE.exec(path)?.[0]);
  if (before !== after) return true;
  const sides = [joined.text.slice(Math.max(0, seam - BESIDE_SEAM), seam), joined.text.slice(seam, seam + BESIDE_SEAM)];
  return sides.some((side) => detectAll(by, side).some((found) => found.rule === rule));
}

interface Found extends Candidate {
  readonly filter: string;
}

class InspectionRecord {
  private readonly findings: Finding[] = [];
  private readonly rewrites: Rewrite[] = [];
  private readonly known = new Set<string>();
  private readonly counts = new Map<string, number>();

  constructor(private readonly plan: InspectionPlan) {}

  get isBlocked(): boolean {
    return this.findings.some(({ action }) => action === 'block');
  }

  finish(): Inspection {
    const { findings, rewrites } = this;
    return { findings: findings.toSorted((first, second) => rankOf(first) - rankOf(second)), rewrites };
  }

  addAll(text: RequestText, whole: string, detections: readonly Detection[]): void {
    const markers = this.plan.skipMarkers ? findMarkers(whole) : [];
    const found = detections.flatMap((detection): Found[] => {
      const { filter, rule, start, end } = detection;
      const action = this.plan.actionOf(detection);
      if (action === 'off' || liesInMarker(markers, detection)) return [];
      const around = detection.whole ?? detection;
      return [{ filter, rule, start, end, wholeStart: around.start, wholeEnd: around.end, action }];
    });
    for (const { candidate, action } of choose(found)) {
      const { filter, rule, start, end } = candidate;
      if (action === 'redact' || action === 'pseudonymize') this.rewrites.push({ text, rule, action, start, end });
      this.record({ filter, rule, path: text.path, action });
    }
  }

  /** It lies in several texts: it cannot be cut out, so the request is blocked where it should have been. */
  addCut(path: string, detection: Detection): void {
    const { filter, rule } = detection;
    const action = this.plan.actionOf(detection);
    if (action === 'off') return;
    this.record({ filter, rule, path, action: action === 'redact' || action === 'pseudonymize' ? 'block' : action });
  }

  addUnscanned(rule: string, path: string): void {
    const { unscannedMedia } = this.plan;
    if (unscannedMedia !== 'allow') this.record({ filter: MEDIA_FILTER, rule, path, action: unscannedMedia });
  }

  private record(finding: Finding): void {
    const action = nameOf(finding.action);
    const identity = `${finding.rule} ${action} ${finding.path}`;
    const count = this.counts.get(action) ?? 0;
    if (count >= MAX_FINDINGS || this.known.has(identity)) return;
    this.known.add(identity);
    this.counts.set(action, count + 1);
    this.findings.push({ ...finding, path: this.withoutMatches(finding.path) });
  }

  /** A member's name can be a credential itself; a path is shown to people and written to logs. */
  private withoutMatches(path: string): string {
    const searched = this.plan.detectors.filter(({ acrossTexts }) => acrossTexts);
    const names = path.split('.');
    const shown = names.map((name) =>
      searched.some(({ detector }) => detectAll(detector, name).length > 0) ? '*' : name,
    );
    return shown.join('.');
  }
}

function rankOf({ filter }: Finding): number {
  const names: readonly string[] = FILTER_NAMES;
  const rank = names.indexOf(filter);
  return rank === -1 ? names.length : rank;
}

function nameOf(action: FilterAction): string {
  return typeof action === 'string' ? action : action.raiseTo;
}
