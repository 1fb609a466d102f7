import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import type { UpstreamHeaders } from '../domain/provider-adapter.js';

export type ContentEncoding = 'gzip' | 'deflate' | 'br' | 'zstd';

/** Where decoded bytes go. */
export interface DecodedReader {
  onPiece(bytes: Buffer): void;
  /** What was written has been taken in; more may come. */
  onRoom(): void;
  /** Once and last; `error` is null where the content was whole. */
  onEnd(error: Error | null): void;
}

/** Newer than the oldest Node that AEGIS runs on. */
const createZstdDecompress = (
  zlib as { createZstdDecompress?: (options: { params: Record<number, number> }) => Transform }
).createZstdDecompress;
/** libzstd's `ZSTD_d_windowLogMax`. */
const ZSTD_WINDOW_LOG_MAX = 100;
/** 8 MiB: what RFC 9659 lets a server use. libzstd's own limit is 128 MiB, held for every answer under way. */
const ZSTD_WINDOW_LOG = 23;

const ENCODINGS: ReadonlyMap<string, ContentEncoding> = new Map<string, ContentEncoding>([
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['br', 'br'],
  ...(createZstdDecompress ? [['zstd', 'zstd'] as const] : []),
]);

/** How a body is encoded; null where it is not. One that is encoded twice is as unreadable as one in an unknown way. */
export function findEncoding(headers: UpstreamHeaders): ContentEncoding | 'unreadable' | null {
  const names = [headers['content-encoding'] ?? []]
    .flat()
    .flatMap((value) => value.split(','))
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
  const [only] = names;
  if (only === undefined) return null;
  return names.length > 1 ? 'unreadable' : (ENCODINGS.get(only) ?? 'unreadable');
}

/**
 * Decodes a body as it comes, in pieces of a few kilobytes. It works no further ahead than one such piece and what was
 * written: while it is paused a small body that stands for a huge one costs no memory.
 */
export class ContentDecoder {
  /** Made with the first byte: a body may be empty whatever its headers say. */
  private stream: Transform | null = null;
  private full = false;
  private paused = false;
  /** The content is whole; what follows it is of no use. */
  private whole = false;
  /** What cut the body off; undefined while it comes. */
  private brokenBy: Error | null | undefined;
  private over = false;

  constructor(
    private readonly encoding: ContentEncoding,
    private readonly reader: DecodedReader,
  ) {}

  /** True from a write that was one too many until `onRoom`. */
  get isFull(): boolean {
    return this.full;
  }

  write(bytes: Buffer): void {
    const [first] = bytes;
    if (first === undefined || this.whole || this.over) return;
    this.stream ??= this.open(first);
    this.full = !this.stream.write(bytes);
  }

  /** No more will come, because of `brokenBy` or because that is all. What came is still decoded and handed over. */
  end(brokenBy: Error | null): void {
    this.brokenBy = brokenBy;
    if (this.stream && !this.whole) this.stream.end();
    else this.finish(brokenBy);
  }

  pause(): void {
    this.paused = true;
    this.stream?.pause();
  }

  resume(): void {
    this.paused = false;
    this.stream?.resume();
  }

  /** The reader hears nothing more. Harmless where it is over. */
  destroy(): void {
    this.over = true;
    this.stream?.destroy();
  }

  private open(first: number): Transform {
    const stream = createDecoder(this.encoding, first);
    stream.on('data', (bytes: Buffer) => {
      if (!this.over) this.reader.onPiece(bytes);
    });
    stream.on('drain', () => this.makeRoom());
    stream.on('end', () => {
      this.whole = true;
      if (this.brokenBy !== undefined) this.finish(this.brokenBy);
      else this.makeRoom();
    });
    stream.on('error', (error) => this.finish(this.brokenBy ?? error));
    if (this.paused) stream.pause();
    return stream;
  }

  private makeRoom(): void {
    this.full = false;
    if (!this.over) this.reader.onRoom();
  }

  private finish(error: Error | null): void {
    if (this.over) return;
    this.over = true;
    this.reader.onEnd(error);
  }
}

function createDecoder(encoding: ContentEncoding, first: number): Transform {
  switch (encoding) {
    case 'gzip':
      return zlib.createGunzip();
    case 'deflate':
      // Some servers leave out the zlib header that HTTP asks for; its first byte tells.
      return (first & 0x0f) === 8 ? zlib.createInflate() : zlib.createInflateRaw();
    case 'br':
      return zlib.createBrotliDecompress();
    case 'zstd':
      if (!createZstdDecompress) throw new Error('This Node reads no zstd.');
      return createZstdDecompress({ params: { [ZSTD_WINDOW_LOG_MAX]: ZSTD_WINDOW_LOG } });
    default:
      return encoding satisfies never;
  }
}
