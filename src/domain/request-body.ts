import { type ByteRange, scanJson } from './json-scan.js';

/**
 * A client's JSON object as it came over the wire, with the places of its members. A target that speaks the same
 * format gets these bytes with only what must change changed: big numbers, key order and escapes stay as they were.
 */
export class RequestBody {
  constructor(
    readonly bytes: Buffer,
    private readonly members: ReadonlyMap<string, ByteRange>,
  ) {}

  /** The body of a value that AEGIS changed, e.g. by redacting it. */
  static of(value: object): RequestBody {
    const bytes = Buffer.from(JSON.stringify(value));
    return new RequestBody(bytes, scanJson(bytes, Number.MAX_SAFE_INTEGER).members);
  }

  /** The JSON text of a member as it was sent; null where there is none. */
  find(key: string): string | null {
    const range = this.members.get(key);
    return range ? this.bytes.toString('utf8', range.start, range.end) : null;
  }

  /**
   * The same object with some members set. `undefined` removes nothing and sets nothing. Members that are not there
   * yet are added in front, so that an empty tail or a trailing blank needs no care.
   */
  with(changes: Readonly<Record<string, unknown>>): Buffer {
    const replaced: { range: ByteRange; text: string }[] = [];
    const added: string[] = [];
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined) continue;
      const range = this.members.get(key);
      if (range) replaced.push({ range, text: JSON.stringify(value) });
      else added.push(`${JSON.stringify(key)}:${JSON.stringify(value)}`);
    }
    replaced.sort((first, second) => first.range.start - second.range.start);

    const pieces: Buffer[] = [];
    let from = 0;
    if (added.length > 0) {
      from = this.bytes.indexOf('{') + 1;
      pieces.push(this.bytes.subarray(0, from), Buffer.from(added.join(',') + (this.members.size > 0 ? ',' : '')));
    }
    for (const { range, text } of replaced) {
      pieces.push(this.bytes.subarray(from, range.start), Buffer.from(text));
      from = range.end;
    }
    pieces.push(this.bytes.subarray(from));
    return Buffer.concat(pieces);
  }
}
