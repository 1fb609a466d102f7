const MONTHS: readonly string[] =
  'jan jän feb feb mar mär apr avr may mai jun juin jul juil aug aoû sep sept oct okt nov nov dec dez'.split(' ');

const FIRST_YEAR = 1900;
const LAST_YEAR = 2030;

/** A date on which somebody living can have been born; the words that make it a birthday stand beside it. */
export function isBirthDate(written: string): boolean {
  const numbers = (written.match(/\d+/g) ?? []).map(Number);
  if (/[A-Za-z]/.test(written.replace(/(\d)(?:st|nd|rd|th)\b/, '$1'))) return isNamedMonth(written, numbers);
  const [first = 0, second = 0, third = 0] = numbers;
  if (first > 31) return isYear(first) && isDayAndMonth(third, second);
  return isYear(third) && (isDayAndMonth(first, second) || isDayAndMonth(second, first));
}

function isNamedMonth(written: string, numbers: readonly number[]): boolean {
  const [day = 0, year = 0] = numbers;
  const names = written.toLowerCase().match(/[a-z]{3,}/g) ?? [];
  return isYear(year) && day >= 1 && day <= 31 && names.some((name) => MONTHS.some((month) => name.startsWith(month)));
}

function isYear(year: number): boolean {
  return (year >= FIRST_YEAR && year <= LAST_YEAR) || (year >= 0 && year <= 99);
}

function isDayAndMonth(day: number, month: number): boolean {
  return day >= 1 && day <= 31 && month >= 1 && month <= 12;
}
