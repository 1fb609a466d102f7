/** A file of frames. */
export interface Segment {
  readonly path: string;
  /** Bytes that may be read; grows while the segment is written to. */
  bytes: number;
  /** Nothing is added any more. */
  isSealed: boolean;
  /** Holds something that cannot be read. */
  isDamaged: boolean;
  /** What of it is in the ledger, as far as this process knows: after a death it is sent again. */
  shippedBytes: number;
  isShipped: boolean;
  /** Requests that were begun here and have not ended: it stays until they have. */
  open: number;
}
