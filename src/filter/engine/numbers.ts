import type { ScanRule } from '../rules/scan-rule.js';
import { NUMBER_SEPARATORS } from './character-set.js';

/** No number is written longer before the digits all rules ask for have come. */
export const MOST_NUMBER = 48;

export function isDigit(unit: number): boolean {
  return unit >= 48 && unit <= 57;
}

/** Digits from a place on, over what separates the digits of one number; no more than any rule asks for. */
export function countDigits(units: Uint16Array, length: number, from: number): number {
  let digits = 0;
  for (let at = from; at < length && at < from + MOST_NUMBER; at++) {
    const unit = units[at] ?? 0;
    if (isDigit(unit)) digits++;
    else if (!NUMBER_SEPARATORS.has(unit)) break;
  }
  return digits;
}

/** Digits that follow each other from a place on. */
export function countRun(units: Uint16Array, length: number, from: number): number {
  let at = from;
  while (at < length && at < from + MOST_NUMBER && isDigit(units[at] ?? 0)) at++;
  return at - from;
}

/** Whether a rule's matches can begin at a number, or at what stands before it. */
export function mayBeginAt(units: Uint16Array, { head, lead }: ScanRule, at: number): boolean {
  return head.has(units[at] ?? 0) || (lead > 0 && at > 0 && head.has(units[at - 1] ?? 0));
}
