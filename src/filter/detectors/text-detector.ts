import type { Detection, Detector } from '../../domain/detector.js';
import type { ScanBudget } from '../engine/scan-budget.js';

/** A detector whose work can be paused between slices, so that a long text never holds up other requests. */
export interface TextDetector extends Detector {
  /** Throws `ScanBudgetExceededError` where the budget ends first. */
  scan(text: string, budget: ScanBudget): Generator<void, readonly Detection[]>;
}
