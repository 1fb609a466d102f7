import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { parse } from 'yaml';
import { choosePersonalRules } from '../../../../src/filter/detectors/personal-data.js';
import { RulesDetector } from '../../../../src/filter/detectors/rules.detector.js';
import { detectAll } from '../../../../src/filter/detectors/text-detector.js';
import { RuleScanner } from '../../../../src/filter/engine/rule-scanner.js';
import { ScanBudget } from '../../../../src/filter/engine/scan-budget.js';
import { formatRuleProblems, loadRules } from '../../../../src/filter/rules/rule-loader.js';

const FILE = readFileSync('config/personal-data-rules.yaml', 'utf8');
const LOADED = loadRules(FILE, 'personal_data');
const detector = new RulesDetector(new RuleScanner(choosePersonalRules(LOADED.rules, [])));

function found(text: string): string[] {
  return [...new Set(detectAll(detector, text).map(({ rule }) => rule))];
}

describe('the rules of personal data', () => {
  it('load without a problem, and every example is decided as it says', () => {
    expect(formatRuleProblems('personal-data-rules.yaml', LOADED.problems)).toBe('');
    expect(LOADED.rules.every(({ filter }) => filter === 'personal_data')).toBe(true);
  });

  it('have positive and negative examples and a source each', () => {
    const { rules } = parse(FILE) as { rules: { id: string; source?: string; examples: { negative?: string[] } }[] };
    expect(rules.filter(({ source, examples }) => !source || (examples.negative ?? []).length === 0)).toEqual([]);
  });

  it.each([
    ['jane@firma.de', 'email-address'],
    ['{"phone": "+44 20 7946 0958"}', 'phone-international'],
    ['4111 1111 1111 1111', 'payment-card'],
    ['４１１１ １１１１ １１１１ １１１１', 'payment-card'],
    ['41\u200b11 1111 1111 11\u200b11', 'payment-card'],
    ['card%3A%204111111111111111', 'payment-card'],
    [Buffer.from('my card is 4111 1111 1111 1111, thanks').toString('base64'), 'payment-card'],
    ['IBAN:DE89370400440532013000', 'iban'],
    ['DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000', 'iban'],
    ['ssn: 536-22-8743', 'us-ssn'],
    ['NINO JG103759A', 'uk-nino'],
    ['Steuer-ID 86095742719', 'de-tax-id'],
    ['185057800608491', 'fr-nir'],
    ['12345678Z', 'es-dni'],
    ['RSSMRA85T10A562S', 'it-tax-code'],
    ['bsn 111222333', 'nl-bsn'],
    ['aadhaar 2341 2341 2346', 'in-aadhaar'],
    ['BNZPM2501F', 'in-pan'],
    ['529.982.247-25', 'br-cpf'],
    ['11.222.333/0001-81', 'br-cnpj'],
  ])('find %s', (text, rule) => {
    expect(found(text)).toContain(rule);
    expect(found(`Hello, it is (${text}), thanks.`)).toContain(rule);
  });

  it('find every one of a list', () => {
    const text = 'BSN: 111222333, 123456782; mail a@firma.de, b@firma.de';
    const parts = detectAll(detector, text).map(({ start, end }) => text.slice(start, end));
    expect(parts).toEqual(['111222333', '123456782', 'a@firma.de', 'b@firma.de']);
  });

  it.each([
    ['a version', '1.2.3 v10.20.30 4.17.21-beta.1 2024.11.0'],
    ['dates and times', '2026-11-23 23.11.2026 11/23/2026 20261123T101010Z 10:20:30.123456'],
    ['time stamps', '1763870400 1763870400000 1763870400000000 1763870400000000000'],
    ['hashes', 'd41d8cd98f00b204e9800998ecf8427e da39a3ee5e6b4b0d3255bfef95601890afd80709'],
    ['ids', '550e8400-e29b-41d4-a716-446655440000 00000000-0000-0000-0000-000000000000'],
    ['fractions', '0.4532015112830366 3.14159265358979 6.02214076e23'],
    ['order numbers', 'order 2026-000123-45, invoice 4711/2026, part 12345678A'],
    ['addresses of packages', '@acme/widgets@1.0.0 lodash@4.17.21 git@github.com:acme/app.git'],
    ['addresses of machines', '203.0.113.7 2001:db8::8a2e:370:7334'],
    ['sums', '1,234,567.89 EUR, 12.345.678 and 100 000 000'],
  ])('leave %s alone', (_, text) => {
    expect(found(text)).toEqual([]);
  });

  it('leave times, hashes and ids alone, whatever they are', () => {
    const stamp = fc.integer({ min: 1_000_000_000, max: 1_999_999_999 });
    const anything = fc.oneof(
      stamp.map(String),
      stamp.map((seconds) => `${seconds}000`),
      stamp.map((seconds) => new Date(seconds * 1000).toISOString()),
      fc.uuid(),
      fc.stringMatching(/^[0-9a-f]{40}$/),
      fc.stringMatching(/^[0-9a-f]{64}$/),
      fc.stringMatching(/^v?\d{1,2}\.\d{1,3}\.\d{1,3}$/),
      fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value.toFixed(15)),
    );
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 5 }), (values) => {
        expect(found(`at ${values.join(', ')} it ran`)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('look for the addresses of machines where they are listed', () => {
    const listed = new RulesDetector(new RuleScanner(choosePersonalRules(LOADED.rules, ['ip-address-v4'])));
    expect(detectAll(listed, '203.0.113.7 a@firma.de').map(({ rule }) => rule)).toEqual(['ip-address-v4']);
  });

  it.each(['1', '1 ', '12-', '4111 ', '@', 'a@', 'a@b.', '+49 ', 'DE89', 'phone 1 2 ', '1.1.', 'born 1 '])(
    'take steps in proportion to the length of %j over and over',
    (seed) => {
      const steps = (length: number) => {
        const budget = new ScanBudget(Number.MAX_SAFE_INTEGER);
        const scan = detector.scan(seed.repeat(Math.ceil(length / seed.length)).slice(0, length), budget);
        while (!scan.next().done);
        return budget.spent;
      };
      expect(steps(49_152) / steps(24_576)).toBeLessThan(2.4);
    },
  );
});
