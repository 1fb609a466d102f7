import fc from 'fast-check';
import { PERSONAL_VALIDATORS } from '../../../../src/filter/validators-personal/personal-validators.js';

function passes(validator: string, written: string): boolean {
  return PERSONAL_VALIDATORS.get(validator)?.(written) === 'verified';
}

/** The numbers a validator takes: bodies at random, with every ending of so many digits tried. */
function numbersOf(validator: string, body: fc.Arbitrary<string>, endings: readonly string[]): fc.Arbitrary<string> {
  return body
    .map((each) => endings.map((ending) => each + ending).find((number) => passes(validator, number)) ?? '')
    .filter((number) => number !== '');
}

function digits(count: number, pattern = `\\d{${count}}`): fc.Arbitrary<string> {
  return fc.stringMatching(new RegExp(`^${pattern}$`));
}

const ONE_DIGIT = [...'0123456789'];
const TWO_DIGITS = Array.from({ length: 100 }, (_, index) => String(index).padStart(2, '0'));
const ONE_LETTER = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];

interface Scheme {
  readonly validator: string;
  readonly numbers: fc.Arbitrary<string>;
  /** The first place at which every change is noticed: Brazil's checks write two remainders as 0. */
  readonly noticesChangesFrom?: number;
  /** Whether the scheme promises to notice two neighbours that changed places. */
  readonly noticesSwaps: boolean | ((first: string, second: string) => boolean);
}

const differBy = (excluded: readonly string[]) => (first: string, second: string) => !excluded.includes(first + second);

const SCHEMES: readonly Scheme[] = [
  // Luhn does not tell 09 from 90.
  {
    validator: 'payment-card',
    numbers: numbersOf('payment-card', digits(15, '4\\d{14}'), ONE_DIGIT),
    noticesSwaps: differBy(['09', '90']),
  },
  {
    validator: 'payment-card',
    numbers: numbersOf('payment-card', digits(14, '3[47]\\d{12}'), ONE_DIGIT),
    noticesSwaps: differBy(['09', '90']),
  },
  {
    validator: 'iban',
    numbers: fc
      .tuple(digits(18), fc.constantFrom(...TWO_DIGITS))
      .map(([account]) => TWO_DIGITS.map((check) => `DE${check}${account}`).find((iban) => passes('iban', iban)) ?? '')
      .filter((iban) => iban !== ''),
    noticesSwaps: true,
  },
  { validator: 'uk-nhs-number', numbers: numbersOf('uk-nhs-number', digits(9), ONE_DIGIT), noticesSwaps: true },
  {
    validator: 'fr-nir',
    numbers: numbersOf('fr-nir', digits(13, '[12]\\d{2}(?:0[1-9]|1[0-2])\\d{8}'), TWO_DIGITS),
    noticesSwaps: true,
  },
  {
    validator: 'es-dni',
    numbers: numbersOf('es-dni', digits(8), ONE_LETTER),
    noticesSwaps: (first, second) => /\d\d/.test(first + second),
  },
  { validator: 'nl-bsn', numbers: numbersOf('nl-bsn', digits(8, '[1-9]\\d{7}'), ONE_DIGIT), noticesSwaps: false },
  {
    validator: 'in-aadhaar',
    numbers: numbersOf('in-aadhaar', digits(11, '[2-9]\\d{10}'), ONE_DIGIT),
    noticesSwaps: true,
  },
  {
    validator: 'br-cpf',
    numbers: numbersOf('br-cpf', digits(9), TWO_DIGITS),
    noticesSwaps: false,
    noticesChangesFrom: 9,
  },
  {
    validator: 'br-cnpj',
    numbers: numbersOf('br-cnpj', digits(12), TWO_DIGITS),
    noticesSwaps: false,
    noticesChangesFrom: 12,
  },
];

describe.each(SCHEMES)('$validator', ({ validator, numbers, noticesSwaps, noticesChangesFrom = 0 }) => {
  it('notices every change of a single digit', () => {
    fc.assert(
      fc.property(numbers, fc.nat(), fc.integer({ min: 1, max: 9 }), (number, seed, change) => {
        const places = [...number].flatMap((character, place) =>
          /\d/.test(character) && place >= noticesChangesFrom ? [place] : [],
        );
        const place = places[seed % places.length] ?? 0;
        const digit = (Number(number[place]) + change) % 10;
        expect(passes(validator, number)).toBe(true);
        expect(passes(validator, number.slice(0, place) + digit + number.slice(place + 1))).toBe(false);
      }),
    );
  });

  it('notices two neighbours that changed places, where its scheme promises that', () => {
    if (noticesSwaps === false) return;
    fc.assert(
      fc.property(numbers, fc.nat(), (number, seed) => {
        const place = seed % (number.length - 1);
        const [first = '', second = ''] = [number[place], number[place + 1]];
        const promised = noticesSwaps === true || noticesSwaps(first, second);
        if (first === second || !promised) return;
        expect(passes(validator, number.slice(0, place) + second + first + number.slice(place + 2))).toBe(false);
      }),
    );
  });
});

describe('what issuing offices have published', () => {
  it.each([
    ['payment-card', '4111 1111 1111 1111'],
    ['payment-card', '5555-5555-5555-4444'],
    ['payment-card', '378282246310005'],
    ['payment-card', '6011111111111117'],
    ['payment-card', '3530111333300000'],
    ['payment-card', '30569309025904'],
    ['iban', 'DE89 3704 0044 0532 0130 00'],
    ['iban', 'GB29 NWBK 6016 1331 9268 19'],
    ['iban', 'FR14 2004 1010 0505 0001 3M02 606'],
    ['iban', 'MT84MALT011000012345MTLCAST001S'],
    ['iban', 'BR1800360305000010009795493C1'],
    ['us-ssn', '219-09-9999'],
    ['us-itin', '912-70-1234'],
    ['uk-nino', 'AB 12 34 56 C'],
    ['uk-nhs-number', '943 476 5919'],
    ['de-tax-id', '86 095 742 719'],
    ['de-tax-id', '47036892816'],
    ['de-id-card', 'T220001293'],
    ['de-id-card', 'L01X00T471'],
    ['fr-nir', '2 69 05 49 588 157 80'],
    ['fr-nir', '1 85 05 2A 006 084 35'],
    ['es-dni', '12345678Z'],
    ['es-dni', 'X1234567L'],
    ['it-tax-code', 'RSSMRA85T10A562S'],
    ['nl-bsn', '111222333'],
    ['in-aadhaar', '2341 2341 2346'],
    ['in-pan', 'BNZPM2501F'],
    ['br-cpf', '529.982.247-25'],
    ['br-cnpj', '11.222.333/0001-81'],
    ['br-cnpj', '12.ABC.345/01DE-35'],
    ['email-address', 'jane.doe@example.com'],
    ['international-phone', '+49 (0)30 123456-78'],
    ['north-american-phone', '(415) 555-0132'],
    ['birth-date', '17. Mai 1986'],
  ])('passes %s %s', (validator, written) => {
    expect(passes(validator, written)).toBe(true);
  });

  it.each([
    ['payment-card', '9111111111111111'],
    ['payment-card', '0000000000000000'],
    ['iban', 'XX89370400440532013000'],
    ['iban', 'DE00370400440532013000'],
    ['us-ssn', '666-12-3456'],
    ['us-itin', '912-49-1234'],
    ['uk-nino', 'BG123456A'],
    ['uk-nino', 'DA123456A'],
    ['uk-nhs-number', '0000000000'],
    ['de-tax-id', '11111111111'],
    ['de-tax-id', '12345678903'],
    ['de-id-card', 'L01X00T472'],
    ['fr-nir', '185137800608491'],
    ['es-dni', '00000000T'],
    ['it-tax-code', 'RSSMRA85T10A562T'],
    ['nl-bsn', '000000000'],
    ['in-aadhaar', '123412341234'],
    ['in-pan', 'BNZZM2501F'],
    ['br-cpf', '111.111.111-11'],
    ['br-cnpj', '00000000000000'],
    ['email-address', 'git@github.com'],
    ['email-address', 'icon@2x.png'],
    ['international-phone', '+1 155 555 0132'],
    ['national-phone', '23.11.2026 12'],
    ['birth-date', '31/31/1986'],
  ])('refutes %s %s', (validator, written) => {
    expect(passes(validator, written)).toBe(false);
  });

  it('takes no text for anything, whatever it is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const validate of PERSONAL_VALIDATORS.values()) expect(['verified', 'refuted']).toContain(validate(text));
      }),
    );
  });
});

describe('an Italian tax code', () => {
  it('notices every change of a single character', () => {
    fc.assert(
      fc.property(fc.nat(15), fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'), (place, character) => {
        const code = 'RSSMRA85T10A562S';
        const changed = code.slice(0, place) + character + code.slice(place + 1);
        expect(passes('it-tax-code', changed)).toBe(changed === code);
      }),
    );
  });
});
