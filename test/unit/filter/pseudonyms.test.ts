import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { MARKER_PATTERN, MAX_MARKER_LENGTH, restoreMarkers } from '../../../src/domain/pseudonym.js';
import { PseudonymKeys, Pseudonyms } from '../../../src/filter/pseudonyms.js';

const PEPPER = 'a pepper that is used in tests only';
const begin = (organization = 'acme', pepper = PEPPER) => new PseudonymKeys(() => pepper).begin(organization);
const rules = fc.stringMatching(/^[a-z0-9]{1,8}(-[a-z0-9]{1,40}){0,4}$/);

describe('a marker', () => {
  it('is the same for the same value in every request and on every replica', () => {
    const marker = begin().markerOf('email-address', 'ada@example.com');
    expect(marker).toMatch(/^\[\[AEGIS:EMAIL_ADDRESS:[0-9a-f]{12}\]\]$/);
    const keys = new PseudonymKeys(() => PEPPER);
    keys.begin('acme').markerOf('email-address', 'grace@example.com');
    expect(keys.begin('acme').markerOf('email-address', 'ada@example.com')).toBe(marker);
  });

  it('is another for another value, organization or installation', () => {
    const markers = [
      begin().markerOf('email-address', 'ada@example.com'),
      begin().markerOf('email-address', 'Ada@example.com'),
      begin('other').markerOf('email-address', 'ada@example.com'),
      begin('acme', 'another pepper used in tests only!!').markerOf('email-address', 'ada@example.com'),
    ];
    expect(new Set(markers).size).toBe(markers.length);
  });

  it('has its form whatever the rule and the value are, and says nothing of the value', () => {
    fc.assert(
      fc.property(rules, fc.string({ minLength: 13 }), (rule, value) => {
        const marker = begin().markerOf(rule, value);
        expect(marker.match(MARKER_PATTERN)).toEqual([marker]);
        expect(marker.length).toBeLessThanOrEqual(MAX_MARKER_LENGTH);
        expect(marker).not.toContain(value);
      }),
    );
  });

  it('is made with a secret or not at all', () => {
    expect(() => begin('acme', '')).toThrow(/no installation secret/);
  });
});

describe('what is put back', () => {
  it('is every value, wherever its marker stands', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.string({ minLength: 1 }))), (pieces) => {
        const pseudonyms = begin();
        const plain = pieces.filter(([between, value]) => !`${between}${value}`.includes('[['));
        const text = plain.map(([between, value]) => between + pseudonyms.markerOf('a', value)).join('');
        expect(restoreMarkers(text, pseudonyms, 'text')).toBe(plain.flat().join(''));
      }),
    );
  });

  it('stays JSON in the arguments of a tool call', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (value) => {
        const pseudonyms = begin();
        const sent = JSON.stringify({ to: `<${pseudonyms.markerOf('a', value)}>` });
        expect(JSON.parse(restoreMarkers(sent, pseudonyms, 'json'))).toEqual({ to: `<${value}>` });
      }),
    );
  });

  it('is nothing that was not issued in this request', () => {
    const elsewhere = begin().markerOf('email-address', 'ada@example.com');
    expect(restoreMarkers(`to ${elsewhere}`, begin(), 'text')).toBe(`to ${elsewhere}`);
  });

  it('is nothing the client wrote itself: no value is given a name that stands in its texts', () => {
    const guessed = begin().markerOf('email-address', 'ada@example.com');
    const pseudonyms = begin();
    pseudonyms.avoid(`say ${guessed} and ${guessed.replace('EMAIL', 'E_MAIL')}`);
    const marker = pseudonyms.markerOf('email-address', 'ada@example.com');
    expect(marker).not.toBe(guessed);
    expect(pseudonyms.markerOf('email-address', 'ada@example.com')).toBe(marker);
    expect(restoreMarkers(`${guessed} ${marker}`, pseudonyms, 'text')).toBe(`${guessed} ada@example.com`);
  });

  it('is the value itself where a marker lies in what is replaced later', () => {
    const pseudonyms = begin();
    const inner = pseudonyms.markerOf('email-address', 'ada@example.com');
    const outer = pseudonyms.markerOf('person', `Ada <${inner}>`);
    expect(restoreMarkers(outer, pseudonyms, 'text')).toBe('Ada <ada@example.com>');
  });

  it('is the right one where two values would have the same marker', () => {
    class Colliding extends Pseudonyms {
      protected override digestOf(_value: string, attempt: number): string {
        return String(attempt).padStart(12, '0');
      }
    }
    const pseudonyms = new Colliding(randomBytes(32));
    const markers = ['one', 'two', 'one'].map((value) => pseudonyms.markerOf('a', value));
    expect(restoreMarkers(markers.join(' '), pseudonyms, 'text')).toBe('one two one');
  });
});
