import type { Detection } from '../../domain/detector.js';
import { ScanBudget } from '../engine/scan-budget.js';
import { runAtOnce } from '../slices.js';

/**
 * Finds things in a text. Pure, and linear in the text's length; throws rather than miss silently. Its work can be paused
 * between slices, so that a long text never holds up other requests.
 */
export interface TextDetector {
  /** Throws `ScanBudgetExceededError` where the budget ends first. */
  scan(text: string, budget: ScanBudget): Generator<void, readonly Detection[]>;
}

/** All at once: for short texts. */
export function detectAll(detector: TextDetector, text: string): readonly Detection[] {
  return runAtOnce(detector.scan(text, ScanBudget.forCharacters(text.length)));
}
