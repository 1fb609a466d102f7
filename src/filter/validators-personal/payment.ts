import { digitsOf, passesLuhn, remainder } from './check-digits.js';

interface Issuer {
  /** The first six digits, from and to. */
  readonly from: number;
  readonly to: number;
  readonly lengths: readonly number[];
}

/** Issuer ranges as the card schemes publish them (ISO/IEC 7812 prefixes). */
const ISSUERS: readonly Issuer[] = [
  { from: 220000, to: 220499, lengths: [16, 19] }, // Mir
  { from: 222100, to: 272099, lengths: [16] }, // Mastercard
  { from: 300000, to: 305999, lengths: [14, 16] }, // Diners Club
  { from: 309500, to: 309599, lengths: [14, 16] }, // Diners Club
  { from: 340000, to: 349999, lengths: [15] }, // American Express
  { from: 352800, to: 358999, lengths: [16] }, // JCB
  { from: 360000, to: 369999, lengths: [14, 16] }, // Diners Club
  { from: 370000, to: 379999, lengths: [15] }, // American Express
  { from: 380000, to: 399999, lengths: [14, 16] }, // Diners Club
  { from: 400000, to: 499999, lengths: [16, 19] }, // Visa
  { from: 501800, to: 501899, lengths: [16, 18, 19] }, // Maestro
  { from: 502000, to: 502099, lengths: [16, 18, 19] }, // Maestro
  { from: 503800, to: 503899, lengths: [16, 18, 19] }, // Maestro
  { from: 508500, to: 508999, lengths: [16] }, // RuPay
  { from: 510000, to: 559999, lengths: [16] }, // Mastercard
  { from: 589300, to: 589399, lengths: [16, 18, 19] }, // Maestro
  { from: 600000, to: 609999, lengths: [16] }, // RuPay, Discover 6011, Hipercard
  { from: 620000, to: 629999, lengths: [16, 19] }, // UnionPay
  { from: 630400, to: 630499, lengths: [16, 18, 19] }, // Maestro
  { from: 636200, to: 636299, lengths: [16] }, // Elo
  { from: 644000, to: 659999, lengths: [16, 19] }, // Discover, RuPay, Elo
  { from: 675900, to: 676399, lengths: [16, 18, 19] }, // Maestro
  { from: 810000, to: 829999, lengths: [16, 19] }, // UnionPay, RuPay
  { from: 979200, to: 979299, lengths: [16] }, // Troy
];

/** A payment card's number: Luhn's check digit, and a beginning and length that a card scheme uses. */
export function isPaymentCard(written: string): boolean {
  const digits = digitsOf(written);
  const prefix = Number(digits.slice(0, 6));
  const known = ISSUERS.some(
    ({ from, to, lengths }) => prefix >= from && prefix <= to && lengths.includes(digits.length),
  );
  return known && passesLuhn(digits) && new Set(digits).size > 1;
}

/** Length of the whole number by country: the registry of ISO 13616. */
export const IBAN_LENGTHS: ReadonlyMap<string, number> = new Map(
  `AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24
  FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32
  LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24
  RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30`
    .split(/\s+/)
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);

const LETTER_A_VALUE = 10;

/** An IBAN: a country of the registry, its length, and the check digits (ISO/IEC 7064, MOD 97-10). */
export function isIban(written: string): boolean {
  const iban = written.replace(/[ -]/g, '').toUpperCase();
  if (!/^[A-Z]{2}\d{2}[A-Z0-9]+$/.test(iban) || IBAN_LENGTHS.get(iban.slice(0, 2)) !== iban.length) return false;
  const check = Number(iban.slice(2, 4));
  return check >= 2 && check <= 98 && remainder(lettersAsNumbers(iban.slice(4) + iban.slice(0, 4)), 97) === 1;
}

/** A is 10, B is 11, …: each letter becomes two digits. */
function lettersAsNumbers(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => String(letter.charCodeAt(0) - 65 + LETTER_A_VALUE));
}
