import type { ServerSentEvent } from '../domain/provider-adapter.js';
import { UpstreamError } from '../domain/upstream-error.js';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** What `data` and `event` begin with: no other field says anything here. */
const LETTER_D = 0x64;
const LETTER_E = 0x65;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const SMALLEST_BUFFER_BYTES = 1024;

/**
 * Bytes of a `text/event-stream` → its events, however the bytes are split. Linear in the number of bytes, whatever the
 * size of the pieces. A last event without its blank line counts: what it holds is judged by whoever reads it.
 * Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
export class SseParser {
  /** The start of a line whose end has not come yet: `pending[0..pendingBytes)`. */
  private pending = Buffer.alloc(0);
  private pendingBytes = 0;
  private atFirstLine = true;
  private afterCarriageReturn = false;

  private type = '';
  private data: string[] = [];
  private eventBytes = 0;
  private failure: UpstreamError | null = null;

  /** @param maxEventBytes the most bytes one event may have; more is `UpstreamError` `invalid`. */
  constructor(private readonly maxEventBytes: number) {}

  push(bytes: Buffer): ServerSentEvent[] {
    return this.collect((events) => this.readBytes(bytes, events));
  }

  /** At the end of the bytes: the event that was still open, if any. */
  end(): ServerSentEvent[] {
    return this.collect((events) => {
      if (this.pendingBytes > 0) this.readLine(this.takeLine(Buffer.alloc(0)));
      this.dispatch(events);
    });
  }

  /** A failure waits until the events before it are out, so that it makes no difference where the bytes were split. */
  private collect(read: (events: ServerSentEvent[]) => void): ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    if (!this.failure) {
      try {
        read(events);
      } catch (thrown) {
        if (!(thrown instanceof UpstreamError)) throw thrown;
        this.failure = thrown;
      }
    }
    if (this.failure && events.length === 0) throw this.failure;
    return events;
  }

  private readBytes(bytes: Buffer, events: ServerSentEvent[]): void {
    let from = 0;
    if (this.afterCarriageReturn && bytes.length > 0) {
      this.afterCarriageReturn = false;
      if (bytes[0] === LINE_FEED) from = 1;
    }
    // Each of the two is searched for only once it has been passed: a search a line would make a read quadratic.
    let lineFeed = findFrom(bytes, LINE_FEED, from);
    let carriageReturn = findFrom(bytes, CARRIAGE_RETURN, from);
    while (from < bytes.length) {
      let end = from;
      if (bytes[from] !== LINE_FEED && bytes[from] !== CARRIAGE_RETURN) {
        if (lineFeed < from) lineFeed = findFrom(bytes, LINE_FEED, from);
        if (carriageReturn < from) carriageReturn = findFrom(bytes, CARRIAGE_RETURN, from);
        end = Math.min(lineFeed, carriageReturn);
      }
      if (end === bytes.length) {
        this.keep(bytes.subarray(from));
        break;
      }
      // Most lines are empty: they end the events.
      if (end === from && this.pendingBytes === 0) this.endEvent(events);
      else this.readLine(this.takeLine(bytes.subarray(from, end)));
      from = end + 1;
      if (bytes[end] === CARRIAGE_RETURN) {
        if (from === bytes.length) this.afterCarriageReturn = true;
        else if (bytes[from] === LINE_FEED) from++;
      }
    }
  }

  private keep(piece: Buffer): void {
    const needed = this.pendingBytes + piece.length;
    this.checkSize(needed);
    if (needed > this.pending.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.pending.length * 2, SMALLEST_BUFFER_BYTES));
      this.pending.copy(larger, 0, 0, this.pendingBytes);
      this.pending = larger;
    }
    piece.copy(this.pending, this.pendingBytes);
    this.pendingBytes = needed;
  }

  /** The whole line as text, decoded at once, so that no character is ever cut in two; null where it says nothing. */
  private takeLine(rest: Buffer): string | null {
    let line = rest;
    if (this.pendingBytes > 0) {
      this.keep(rest);
      line = this.pending.subarray(0, this.pendingBytes);
      this.pendingBytes = 0;
    } else {
      this.checkSize(rest.length);
    }
    if (this.atFirstLine) {
      this.atFirstLine = false;
      if (line.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK))
        line = line.subarray(BYTE_ORDER_MARK.length);
    }
    const first = line[0];
    return first === LETTER_D || first === LETTER_E ? line.toString('utf8') : null;
  }

  private endEvent(events: ServerSentEvent[]): void {
    this.atFirstLine = false;
    this.dispatch(events);
  }

  private readLine(line: string | null): void {
    if (line === null) return;
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') {
      this.data.push(value);
      this.eventBytes += line.length + 1;
    } else if (field === 'event') {
      this.type = value;
    }
  }

  private dispatch(events: ServerSentEvent[]): void {
    if (this.data.length > 0) {
      events.push({ type: this.type, data: this.data.length === 1 ? (this.data[0] ?? '') : this.data.join('\n') });
      this.data = [];
      this.eventBytes = 0;
    }
    this.type = '';
  }

  private checkSize(lineBytes: number): void {
    if (this.eventBytes + lineBytes <= this.maxEventBytes) return;
    throw new UpstreamError('invalid', 'The provider sent an event larger than AEGIS accepts.', {
      status: null,
      detail: `an event of more than ${this.maxEventBytes} bytes`,
    });
  }
}

/** The index of `byte` at or after `from`; the length where there is none. */
function findFrom(bytes: Buffer, byte: number, from: number): number {
  const index = bytes.indexOf(byte, from);
  return index === -1 ? bytes.length : index;
}
