/** Ways to write a credential so that it does not look like itself, and a machine or a reader still gets it back. */
const ZERO_WIDTH = [
  '\u200b',
  '\u200c',
  '\u200d',
  '\u2060',
  '\ufeff',
  '\u00ad',
  '\u180e',
  '\u200e',
  '\u034f',
  '\u{e0020}',
];
const CYRILLIC = pairs('aаcсeеoоpрxхyуsѕiіjјhһdԁqԛwԝlӏvѵAАBВCСEЕHНIІJЈKКMМOОPРSЅTТXХYҮGԌQԚWԜVѴ');
const GREEK = pairs('aαiιoοvνpρuυAΑBΒEΕZΖHΗIΙKΚMΜNΝOΟPΡTΤYΥXΧcϲjϳCϹJͿ');

/** First letters of runs of A–Z, a–z and, where there is one, 0–9. */
const MATH = {
  bold: [0x1d400, 0x1d41a, 0x1d7ce],
  'bold italic': [0x1d468, 0x1d482, 0x1d7ce],
  'bold script': [0x1d4d0, 0x1d4ea, 0x1d7ce],
  'sans-serif': [0x1d5a0, 0x1d5ba, 0x1d7e2],
  monospace: [0x1d670, 0x1d68a, 0x1d7f6],
};

function pairs(text) {
  const letters = [...text];
  return new Map(letters.flatMap((letter, at) => (at % 2 === 0 ? [[letter, letters[at + 1]]] : [])));
}

const eachCharacter = (change) => (text, random) => [...text].map((character) => change(character, random)).join('');
const hexOf = (character, length) => character.codePointAt(0).toString(16).padStart(length, '0');
const toBase64 = (text) => Buffer.from(text).toString('base64');
const toHex = (text) => Buffer.from(text).toString('hex');

function homoglyphs(table) {
  return eachCharacter((character, random) => (random.next() < 0.5 ? (table.get(character) ?? character) : character));
}

function mathLetters([upper, lower, digit]) {
  return eachCharacter((character) => {
    const code = character.charCodeAt(0);
    if (/[A-Z]/.test(character)) return String.fromCodePoint(upper + code - 65);
    if (/[a-z]/.test(character)) return String.fromCodePoint(lower + code - 97);
    return /[0-9]/.test(character) ? String.fromCodePoint(digit + code - 48) : character;
  });
}

function nestJson(text, levels) {
  let nested = { credential: text };
  for (let level = 1; level < levels; level++) nested = { body: JSON.stringify(nested) };
  return JSON.stringify(nested);
}

/** `whole`: the sentence with the name in it is disguised, and not the credential alone. */
export const DISGUISES = Object.entries({
  'zero-width between all letters': {
    disguise: eachCharacter((character, random) => character + random.pick(ZERO_WIDTH)),
  },
  'zero-width here and there': {
    disguise: eachCharacter((character, random) => (random.next() < 0.2 ? random.pick(ZERO_WIDTH) : '') + character),
  },
  'full-width': {
    disguise: eachCharacter((character) =>
      /[!-~]/.test(character) ? String.fromCharCode(character.charCodeAt(0) + 0xfee0) : character,
    ),
  },
  'cyrillic homoglyphs': { disguise: homoglyphs(CYRILLIC) },
  'greek homoglyphs': { disguise: homoglyphs(GREEK) },
  ...Object.fromEntries(
    Object.entries(MATH).map(([name, starts]) => [`math letters, ${name}`, { disguise: mathLetters(starts) }]),
  ),
  base64: { disguise: toBase64, whole: true },
  'base64 without padding': { disguise: (text) => toBase64(text).replace(/=+$/, ''), whole: true },
  base64url: { disguise: (text) => Buffer.from(text).toString('base64url'), whole: true },
  'base64 in a sentence': { disguise: (text) => `decode ${toBase64(text)}, then log in.`, whole: true },
  'base64 in quotes': { disguise: (text) => `atob("${toBase64(text)}")`, whole: true },
  'base64 of a sentence': { disguise: (text) => toBase64(`my key is ${text}. please`), whole: true },
  'base64 data url': { disguise: (text) => `data:text/plain;base64,${toBase64(text)}`, whole: true },
  'base64 wrapped': {
    disguise: (text) =>
      toBase64(text)
        .match(/.{1,76}/g)
        .join('\n'),
    whole: true,
  },
  hex: { disguise: toHex, whole: true },
  'hex, upper case': { disguise: (text) => toHex(text).toUpperCase(), whole: true },
  'hex with 0x': { disguise: (text) => `0x${toHex(text)}`, whole: true },
  'hex in a sentence': { disguise: (text) => `the hex is ${toHex(text)}.`, whole: true },
  percent: { disguise: eachCharacter((character) => encodeBytes(character)) },
  'percent where needed': { disguise: (text) => encodeURIComponent(text) },
  'percent twice': { disguise: (text) => encodeURIComponent(encodeURIComponent(text)) },
  '\\u escapes': { disguise: eachCharacter((character) => `\\u${hexOf(character, 4)}`) },
  '\\u escapes here and there': {
    disguise: eachCharacter((character, random) => (random.next() < 0.3 ? `\\u${hexOf(character, 4)}` : character)),
  },
  '\\x escapes': { disguise: eachCharacter((character) => `\\x${hexOf(character, 2)}`) },
  'html entities': { disguise: eachCharacter((character) => `&#${character.codePointAt(0)};`) },
  'html entities in hex': { disguise: eachCharacter((character) => `&#x${hexOf(character, 2)};`) },
  'html entities here and there': {
    disguise: eachCharacter((character, random) =>
      random.next() < 0.3 ? `&#${character.codePointAt(0)};` : character,
    ),
  },
  'json in json': { disguise: (text) => nestJson(text, 2), whole: true },
  'json in json in json': { disguise: (text) => nestJson(text, 3), whole: true },
  'zero-width in base64': {
    disguise: (text) => toBase64([...text].map((character) => `${character}\u200b`).join('')),
    whole: true,
  },
}).map(([name, { disguise, whole }]) => ({ name, disguise, whole: whole ?? false }));

function encodeBytes(character) {
  return [...Buffer.from(character)].map((byte) => `%${byte.toString(16).padStart(2, '0').toUpperCase()}`).join('');
}
