/**
 * What each kind of work costs in the budget's steps: about nanoseconds, as measured over thousands of texts made to cost
 * much (`npm run bench:filter`). Where a cost varies, the higher one stands here.
 */

/** A character that is read, and one that the automaton follows. */
export const READ = 2;
export const FOLLOW = 12;
/** A place where the filter cannot tell that no anchor begins. */
export const HIT = 20;
/** An anchor that was found, for each rule it belongs to, and to compare its characters. */
export const ANCHOR = 22;
export const ANCHOR_CHARACTER = 2;
/** A character looked at backwards for where a match begins. */
export const LEAD = 4;
/** To look for a value behind a name, and each character of that. */
export const SEARCH = 60;
export const SEARCHED = 5;
/** To look whether a pattern can match; to try it, and each character that may take; to be told what was found. */
export const LOOK = 45;
export const TRIAL = 200;
export const TRIED = 1.5;
export const FOUND = 200;
/** To judge what a pattern matched, each character of that, and to note it as a match. */
export const JUDGEMENT = 350;
export const JUDGED = 10;
export const NOTE = 500;
/** A character around a match that is compared with a word of its context. */
export const CONTEXT = 4;
/** To measure a number, and to look whether one of the rules for numbers can match there. */
export const NUMBER = 30;
export const NUMBER_RULE = 6;
/** A character that is looked at for what could be decoded; one of a text that was decoded, and a replacement in it. */
export const DECODE = 2;
export const DERIVED = 1;
export const REPLACEMENT = 40;
/** A character of bytes in hexadecimal with something between them. */
export const SPACED = 15;
/** A run of base64 or hexadecimal digits, and each character of it, read in every alignment. */
export const RUN = 300;
export const RUN_CHARACTER = 20;
