import { RulesDetector } from '../detectors/rules.detector.js';
import type { RuleScanner } from '../engine/rule-scanner.js';
import { ScanBudget, ScanBudgetExceededError } from '../engine/scan-budget.js';
import { ScanText } from '../engine/scan-text.js';
import { mayJoin } from '../joins.js';
import { FoldingStage } from './stages.js';

/** Shorter texts are read as fast as they are looked at beforehand. */
const WORTH_CHARACTERS = 256;
/** Armoured blocks have their own ways of ending where a text is read as it comes. */
const ARMOUR = '-----';

/** Escapes of all kinds. */
const ESCAPES = /\\|%[0-9a-f]{2}|&[#a-z]/i;

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
    if (text.length < WORTH_CHARACTERS || text.includes(ARMOUR) || mayEndWordsElsewhere(text)) return false;
    try {
      const found = yield* this.detector.scan(text, ScanBudget.forCharacters(text.length));
      return found.length === 0;
    } catch (error) {
      if (error instanceof ScanBudgetExceededError) return false;
      throw error;
    }
  }
}

/**
 * Where a letter beside a word looks like one of ASCII, and there are escapes in the text, both searches try where the word
 * may end; but not in the same order, so that one may find a word that the other does not.
 */
function mayEndWordsElsewhere(text: string): boolean {
  if (!ESCAPES.test(text) || !FoldingStage.concerns.test(text)) return false;
  const units = ScanText.of(text);
  const joins = mayJoin(units);
  units.release();
  return joins;
}
