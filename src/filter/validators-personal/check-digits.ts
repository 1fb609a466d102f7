/** The arithmetic of check digits. All functions are pure and take digits as text, without blanks or dashes. */

/** The digits of a text, whatever stands between them. */
export function digitsOf(text: string): string {
  return text.replace(/\D/g, '');
}

/** ISO/IEC 7812: every second digit from the right doubled, the sum a multiple of ten. */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index++) {
    const digit = Number(digits[digits.length - 1 - index]);
    const doubled = index % 2 === 0 ? digit : digit * 2;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return digits.length > 0 && sum % 10 === 0;
}

/** The remainder of a decimal number of any length. */
export function remainder(digits: string, modulus: number): number {
  let rest = 0;
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % modulus;
  return rest;
}

/** Sum of the values by place times the weights by place; places beyond the weights do not count. */
export function weigh(values: readonly number[], weights: readonly number[]): number {
  return weights.reduce((sum, weight, place) => sum + weight * (values[place] ?? 0), 0);
}

export function toNumbers(digits: string): number[] {
  return [...digits].map(Number);
}

/** ISO/IEC 7064, MOD 11,10: one check digit at the end. */
export function passesMod11And10(digits: string): boolean {
  let product = 10;
  for (const digit of toNumbers(digits.slice(0, -1))) {
    const sum = (digit + product) % 10 || 10;
    product = (sum * 2) % 11;
  }
  return (11 - product) % 10 === Number(digits.at(-1));
}

/** Verhoeff: the symmetries of a pentagon, so that every change of a digit and every swap of neighbours shows. */
export function passesVerhoeff(digits: string): boolean {
  let check = 0;
  for (let index = 0; index < digits.length; index++) {
    const digit = Number(digits[digits.length - 1 - index]);
    check = composeSymmetries(check, permute(digit, index % 8));
  }
  return digits.length > 0 && check === 0;
}

/** 0 to 4 are turns of the pentagon, 5 to 9 the same turned over. */
function composeSymmetries(first: number, second: number): number {
  const turned = first >= 5;
  const turns = turned ? (first % 5) - (second % 5) : (first % 5) + (second % 5);
  return ((turns + 5) % 5) + (turned !== second >= 5 ? 5 : 0);
}

const PERMUTATION = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

function permute(digit: number, times: number): number {
  let value = digit;
  for (let round = 0; round < times; round++) value = PERMUTATION[value] ?? 0;
  return value;
}

/** Whether one digit fills the whole number: such numbers pass many checks and are nobody's. */
export function isOneDigitOverAndOver(digits: string): boolean {
  return /^(\d)\1*$/.test(digits);
}
