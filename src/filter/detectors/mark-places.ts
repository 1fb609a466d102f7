/** A mark of a prompt's structure begins with one of these, at the beginning of the text, or with a property whose name ends before the last of them. */
export const MARK_SIGNS = '<[#!\n:';
/** What may follow a sign. */
const FOLLOWERS: Readonly<Record<string, string>> = { '<': '|</suipcd', '[': '/isad', '#': '#', '!': '[', '\n': 'sa' };
const PROPERTIES = ['display', 'font-size'];
const COLON = 0x3a;
const MAX_BEFORE_COLON = 2;
const LETTER_CASE = 0x20;
const followers = new Map(
  Object.entries(FOLLOWERS).map(([sign, characters]) => [
    sign.charCodeAt(0),
    new Set([...characters, ...characters.toUpperCase()].map((each) => each.charCodeAt(0))),
  ]),
);

/** Where a mark may begin that the sign at `at` tells of; -1 where it tells of none. Behind the last unit there are zeros. */
export function findMarkPlace(units: Uint16Array, sign: number, at: number): number {
  if (sign !== COLON) return followers.get(sign)?.has(units[at + 1] ?? 0) ? at : -1;
  let end = at;
  while (end > 0 && at - end < MAX_BEFORE_COLON && mayBeBlank(units[end - 1] ?? 0)) end--;
  const last = (units[end - 1] ?? 0) | LETTER_CASE;
  const property = PROPERTIES.find((name) => name.charCodeAt(name.length - 1) === last);
  return property === undefined ? -1 : end - property.length;
}

const mayBeBlank = (unit: number): boolean => unit <= 0x20 || unit >= 0x80;
