import type { IncomingHttpHeaders } from 'node:http';

/** Keeps uploads from filling the memory together, where each of them alone is small enough. */
export class BodyBudget {
  private reservedBytes = 0;

  /**
   * Sets aside what a request says it will send. Returns how to give it back, or null where there would be more than
   * `maxBytes` in all.
   */
  reserve(headers: IncomingHttpHeaders, bodyLimitBytes: number, maxBytes: number): (() => void) | null {
    const bytes = announcedBytes(headers, bodyLimitBytes);
    if (this.reservedBytes + bytes > maxBytes) return null;
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
