import {
  digitsOf,
  isOneDigitOverAndOver,
  passesMod11And10,
  passesVerhoeff,
  remainder,
  toNumbers,
  weigh,
} from './check-digits.js';

/** US social security number: no check digit, but areas, groups and serials that are never given out. Source: SSA. */
export function isUsSsn(written: string): boolean {
  return /^(?!000|666|9)\d{3}(?!00)\d{2}(?!0000)\d{4}$/.test(digitsOf(written));
}

/** US individual taxpayer number: area 900 to 999, and the groups the IRS gives out. */
export function isUsItin(written: string): boolean {
  return /^9\d{2}(?:5\d|6[0-5]|7\d|8[0-8]|9[0-2]|9[4-9])\d{4}$/.test(digitsOf(written));
}

/** UK national insurance number: prefixes that are given out, six digits, a letter A to D. No check digit. */
export function isUkNino(written: string): boolean {
  const number = withoutSeparators(written);
  return /^(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]$/.test(number);
}

/** UK National Health Service number: ten digits, the last by modulus 11. */
export function isUkNhsNumber(written: string): boolean {
  const digits = toNumbers(digitsOf(written));
  if (digits.length !== 10) return false;
  const check = 11 - (weigh(digits, [10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11);
  return check !== 10 && check % 11 === digits[9] && !isOneDigitOverAndOver(digits.join(''));
}

/**
 * German tax id: eleven digits, not beginning with 0; of the first ten one digit comes two or three times, never three
 * times in a row; the last by MOD 11,10.
 */
export function isGermanTaxId(written: string): boolean {
  const digits = digitsOf(written);
  if (!/^[1-9]\d{10}$/.test(digits) || !passesMod11And10(digits)) return false;
  const body = digits.slice(0, 10);
  const counts = [...new Set(body)].map((digit) => body.split(digit).length - 1).filter((count) => count > 1);
  return counts.length > 0 && counts.length <= 2 && Math.max(...counts) <= 3 && !/(\d)\1\1/.test(body);
}

/** German identity card: nine characters without vowels, and where it is written the check digit (weights 7, 3, 1). */
export function isGermanIdCard(written: string): boolean {
  const number = written.toUpperCase();
  const match = /^([LMNPRTVWXY][CFGHJKLMNPRTVWXYZ0-9]{8})(\d?)D?$/.exec(number);
  if (!match || !/\d/.test(number)) return false;
  const [, serial = '', check = ''] = match;
  if (check === '') return true;
  return weigh([...serial].map(base36), [7, 3, 1, 7, 3, 1, 7, 3, 1]) % 10 === Number(check);
}

/** French social security number (NIR): thirteen digits and the key, 97 less their remainder. Corsica: 2A is 19, 2B is 18. */
export function isFrenchNir(written: string): boolean {
  const number = withoutSeparators(written);
  if (!/^[1-478]\d{2}(?:0[1-9]|1[0-2]|[2-3]\d|4[0-2]|[5-9]\d)(?:\d{2}|2[AB])\d{8}$/.test(number)) return false;
  const digits = number.replace('2A', '19').replace('2B', '18');
  return 97 - remainder(digits.slice(0, 13), 97) === Number(digits.slice(13));
}

const SPANISH_LETTERS = 'TRWAGMYFPDXBNJZSQVHLCKE';

/** Spanish DNI (eight digits) or NIE (X, Y or Z and seven): the letter is the number's remainder by 23. */
export function isSpanishDni(written: string): boolean {
  const number = withoutSeparators(written);
  if (!/^[XYZ\d]\d{7}[A-Z]$/.test(number)) return false;
  const digits = number.slice(0, 8).replace(/^[XYZ]/, (letter) => String('XYZ'.indexOf(letter)));
  return SPANISH_LETTERS[Number(digits) % 23] === number[8] && !isOneDigitOverAndOver(digits);
}

/** What a character at an odd place of a codice fiscale counts, by 0 to 9 and A to Z. Decree of 23 December 1976. */
const ITALIAN_ODD = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

/** Italian codice fiscale: sixteen characters, the last by modulus 26. Digits may be given as letters (omocodia). */
export function isItalianTaxCode(written: string): boolean {
  const code = written.toUpperCase();
  const digit = '[0-9LMNPQRSTUV]';
  const shape = new RegExp(`^[A-Z]{6}${digit}{2}[ABCDEHLMPRST]${digit}{2}[A-Z]${digit}{3}[A-Z]$`);
  if (!shape.test(code)) return false;
  const sum = [...code.slice(0, 15)].reduce((total, character, index) => {
    const value = /\d/.test(character) ? Number(character) : character.charCodeAt(0) - 65;
    return total + (index % 2 === 0 ? (ITALIAN_ODD[value] ?? 0) : value);
  }, 0);
  return String.fromCharCode(65 + (sum % 26)) === code[15];
}

/** Dutch citizen service number (BSN): the eleven-test, the last digit counting -1. */
export function isDutchBsn(written: string): boolean {
  const digits = digitsOf(written).padStart(9, '0');
  const passes = weigh(toNumbers(digits), [9, 8, 7, 6, 5, 4, 3, 2, -1]) % 11 === 0;
  return digits.length === 9 && !digits.startsWith('00') && passes && !isOneDigitOverAndOver(digits);
}

/** Indian Aadhaar number: twelve digits, the first 2 to 9, the last by Verhoeff. */
export function isAadhaar(written: string): boolean {
  const digits = digitsOf(written);
  return /^[2-9]\d{11}$/.test(digits) && passesVerhoeff(digits) && !isOneDigitOverAndOver(digits);
}

/** Indian permanent account number: the fourth letter tells the kind of holder. Its check letter's rule is not published. */
export function isIndianPan(written: string): boolean {
  return /^[A-Z]{3}[ABCFGHJLPT][A-Z](?!0000)\d{4}[A-Z]$/.test(written.toUpperCase());
}

/** Brazilian CPF: eleven digits, the last two by modulus 11. */
export function isBrazilianCpf(written: string): boolean {
  const digits = toNumbers(digitsOf(written));
  if (digits.length !== 11 || isOneDigitOverAndOver(digits.join(''))) return false;
  const first = checkByEleven(digits, [10, 9, 8, 7, 6, 5, 4, 3, 2]);
  const second = checkByEleven(digits, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
  return digits[9] === first && digits[10] === second;
}

/** Brazilian CNPJ: twelve digits or, since 2026, letters, and two check digits by modulus 11. A letter counts its code less 48. */
export function isBrazilianCnpj(written: string): boolean {
  const number = withoutSeparators(written);
  if (!/^[0-9A-Z]{12}\d{2}$/.test(number) || isOneDigitOverAndOver(number)) return false;
  const values = [...number].map((character) => character.charCodeAt(0) - 48);
  const first = checkByEleven(values, [5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]);
  const second = checkByEleven(values, [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]);
  return values[12] === first && values[13] === second;
}

function checkByEleven(values: readonly number[], weights: readonly number[]): number {
  const rest = weigh(values, weights) % 11;
  return rest < 2 ? 0 : 11 - rest;
}

function withoutSeparators(written: string): string {
  return written.replace(/[\s./-]/g, '').toUpperCase();
}

function base36(character: string): number {
  return Number.parseInt(character, 36);
}
