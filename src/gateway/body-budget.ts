import type { IncomingHttpHeaders } from 'node:http';

/** Most bytes of request bodies that may be on their way into memory at one time, over all connections. */
export const MAX_BUFFERED_BODY_BYTES = 512 * 1024 * 1024;

/** Keeps uploads from filling the memory together, where each of them alone is small enough. */
export class BodyBudget {
  private reservedBytes = 0;

  constructor(private readonly maxBytes: number = MAX_BUFFERED_BODY_BYTES) {}

  /** Sets aside what a request says it will send. Returns how to give it back, or null where there is no room. */
  reserve(headers: IncomingHttpHeaders, bodyLimitBytes: number): (() => void) | null {
    const bytes = announcedBytes(headers, bodyLimitBytes);
    if (this.reservedBytes + bytes > this.maxBytes) return null;
    this.reservedBytes += bytes;
    return () => {
      this.reservedBytes -= bytes;
    };
  }
}

/** A body of unknown length may become as large as is allowed. One that says it is larger is refused before it is read. */
function announcedBytes(headers: IncomingHttpHeaders, bodyLimitBytes: number): number {
  if (headers['transfer-encoding'] !== undefined) return bodyLimitBytes;
  const length = Number(headers['content-length'] ?? 0);
  return Number.isFinite(length) && length >= 0 ? Math.min(length, bodyLimitBytes) : bodyLimitBytes;
}
