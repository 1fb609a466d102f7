import { createHmac, hkdfSync } from 'node:crypto';
import {
  MARKER_DIGEST_DIGITS,
  MARKER_HEAD,
  MARKER_PATTERN,
  MAX_MARKER_RULE_LENGTH,
  type MarkerSource,
  restoreMarkers,
} from '../domain/pseudonym.js';

/**
 * The markers of one request. The same value gets the same marker in every turn, request and replica of an
 * organization, because it is made from the value; nobody without the key can tell the value from it, nor whether two
 * organizations mean the same. The values themselves live no longer than the request.
 */
export class Pseudonyms implements MarkerSource {
  private readonly values = new Map<string, string>();
  private readonly written = new Set<string>();

  constructor(private readonly key: Buffer) {}

  get isEmpty(): boolean {
    return this.values.size === 0;
  }

  /** What has a marker's form in a text of the client is not one: no value is ever given that name in this request. */
  avoid(text: string): void {
    if (!text.includes(MARKER_HEAD)) return;
    for (const [marker] of text.matchAll(MARKER_PATTERN)) this.written.add(marker);
  }

  /** The marker that takes the value's place. Markers in the value itself stand for what they took the place of. */
  markerOf(rule: string, written: string): string {
    const value = restoreMarkers(written, this, 'text');
    const name = rule.toUpperCase().replaceAll('-', '_').slice(0, MAX_MARKER_RULE_LENGTH);
    for (let attempt = 0; ; attempt++) {
      const marker = `${MARKER_HEAD}${name}:${this.digestOf(value, attempt)}]]`;
      const taken = this.values.get(marker);
      if (this.written.has(marker) || (taken !== undefined && taken !== value)) continue;
      this.values.set(marker, value);
      return marker;
    }
  }

  valueOf(marker: string): string | null {
    return this.values.get(marker) ?? null;
  }

  protected digestOf(value: string, attempt: number): string {
    const digest = createHmac('sha256', this.key).update(`${attempt}:`).update(value).digest('hex');
    return digest.slice(0, MARKER_DIGEST_DIGITS);
  }
}

const MAX_KEPT_KEYS = 1_000;
const KEY_BYTES = 32;

/** The key of each organization's markers, derived from the installation's secret. */
export class PseudonymKeys {
  private readonly keys = new Map<string, Buffer>();

  constructor(private readonly findSecret: () => string) {}

  /** Throws where the installation has no secret: values are never given names that anybody could make. */
  begin(organization: string): Pseudonyms {
    return new Pseudonyms(this.keyOf(organization));
  }

  private keyOf(organization: string): Buffer {
    const known = this.keys.get(organization);
    if (known) return known;
    const info = `aegis pseudonyms 1 ${organization}`;
    const key = Buffer.from(hkdfSync('sha256', this.secret(), '', info, KEY_BYTES));
    if (this.keys.size >= MAX_KEPT_KEYS) this.keys.clear();
    this.keys.set(organization, key);
    return key;
  }

  private secret(): string {
    const secret = this.findSecret();
    if (secret === '') throw new Error('there is no installation secret (auth.pepper) to make markers with');
    return secret;
  }
}
