import type { Detection } from '../domain/detector.js';
import type { FilterAction, Finding } from '../domain/finding.js';
import { detectAll, type TextDetector } from './detectors/text-detector.js';
import type { ScanBudget } from './engine/scan-budget.js';
import type { Redaction } from './redaction.js';
import { joinNeighbours } from './seams.js';
import { type RequestText, TextWalker } from './text-walker.js';

/** What a look at every text of a request found. */
export interface Inspection {
  /** Each rule once a place; of each action the first `MAX_FINDINGS`. */
  readonly findings: readonly Finding[];
  readonly redactions: readonly Redaction[];
}

/** A request full of credentials is refused for the first of them; its answer need not name them all. */
export const MAX_FINDINGS = 100;
/** What a text costs however short it is, in the budget's steps. */
const STEPS_PER_TEXT = 100;

/** Looks at every text of a body, one detector after the other. Pauses between slices. */
export function* inspectTexts(
  body: object,
  detectors: readonly TextDetector[],
  actionOf: (detection: Detection) => FilterAction | 'off',
  budget: ScanBudget,
): Generator<void, Inspection> {
  const record = new InspectionRecord(detectors, actionOf);
  const walker = new TextWalker(body);
  for (const text of walker.walk()) {
    if (text === null) {
      yield;
      continue;
    }
    budget.spend(STEPS_PER_TEXT);
    for (const detector of detectors) {
      const detections = yield* detector.scan(text.label + text.value, budget);
      for (const detection of detections) record.add(text.path, detection, text);
    }
    if (budget.passedSlice()) yield;
  }
  for (const texts of [walker.conversation, walker.toolArguments]) {
    for (const joined of joinNeighbours(texts)) {
      for (const detector of detectors) {
        const detections = yield* detector.scan(joined.text, budget);
        for (const detection of detections) {
          const crosses = joined.seams.some((seam) => detection.start < seam && seam < detection.end);
          if (crosses) record.add(joined.pathOf(detection.start), detection, null);
        }
      }
      if (budget.passedSlice()) yield;
    }
  }
  for (const { kind, path } of walker.unscanned) record.note(`unscanned-${kind}`, path);
  return record;
}

class InspectionRecord implements Inspection {
  readonly findings: Finding[] = [];
  readonly redactions: Redaction[] = [];
  private readonly known = new Set<string>();
  private readonly counts = new Map<string, number>();

  constructor(
    private readonly detectors: readonly TextDetector[],
    private readonly actionOf: (detection: Detection) => FilterAction | 'off',
  ) {}

  /** `text` is null where the credential lies in several: it cannot be cut out, so the request is blocked. */
  add(path: string, detection: Detection, text: RequestText | null): void {
    const { filter, rule, start, end } = detection;
    const action = this.actionOf(detection);
    if (action === 'off') return;
    if (action === 'redact' && text !== null) this.redactions.push({ text, rule, start, end });
    this.record({ filter, rule, path, action: action === 'redact' && text === null ? 'block' : action });
  }

  note(rule: string, path: string): void {
    this.record({ filter: 'secrets', rule, path, action: 'flag' });
  }

  private record(finding: Finding): void {
    const action = nameOf(finding.action);
    const identity = `${finding.rule} ${action} ${finding.path}`;
    const count = this.counts.get(action) ?? 0;
    if (count >= MAX_FINDINGS || this.known.has(identity)) return;
    this.known.add(identity);
    this.counts.set(action, count + 1);
    this.findings.push({ ...finding, path: this.withoutSecrets(finding.path) });
  }

  /** A member's name can be a credential itself; a path is shown to people and written to logs. */
  private withoutSecrets(path: string): string {
    const names = path.split('.');
    const shown = names.map((name) =>
      this.detectors.some((detector) => detectAll(detector, name).length > 0) ? '*' : name,
    );
    return shown.join('.');
  }
}

function nameOf(action: FilterAction): string {
  return typeof action === 'string' ? action : action.raiseTo;
}
