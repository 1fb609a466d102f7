import { RulesDetector } from '../detectors/rules.detector.js';
import type { RuleScanner } from '../engine/rule-scanner.js';
import { ScanBudget, ScanBudgetExceededError } from '../engine/scan-budget.js';

/** Shorter texts are read as fast as they are looked at beforehand. */
const WORTH_CHARACTERS = 256;
/** Armoured blocks have their own ways of ending where a text is read as it comes. */
const ARMOUR = '-----';
/** Where a letter counts as a Latin one it looks like, and the next is written as an escape, the two searches differ. */
const ESCAPE_BEHIND_LETTER = /[^\0-\x7f][\\%&]/;

/**
 * Tells of texts that are there as a whole that nothing is in them. The search of requests does it: it reads several times
 * faster than one that can go on anywhere, and looks into more forms of a text than that does.
 */
export class AnswerScreen {
  private readonly detector: RulesDetector;

  constructor(scanner: RuleScanner) {
    this.detector = new RulesDetector(scanner);
  }

  /** False where something may be in the text, or it is not worth looking. */
  *isClean(text: string): Generator<void, boolean> {
    if (text.length < WORTH_CHARACTERS || text.includes(ARMOUR)) return false;
    if (ESCAPE_BEHIND_LETTER.test(text)) return false;
    try {
      const found = yield* this.detector.scan(text, ScanBudget.forCharacters(text.length));
      return found.length === 0;
    } catch (error) {
      if (error instanceof ScanBudgetExceededError) return false;
      throw error;
    }
  }
}
