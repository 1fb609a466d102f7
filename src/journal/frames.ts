import { crc32 } from 'node:zlib';

/**
 * How records lie in a segment, one after the other:
 *
 * ```
 * 0xFF 'J' | version (1) | payload length (4, big-endian) | CRC-32 (4) of version, length and payload | payload (UTF-8)
 * ```
 *
 * 0xFF never stands in UTF-8, hence in no payload: whoever has lost the thread searches for the next one that begins
 * a frame whose checksum is right.
 */
const MARK = 0xff;
const SECOND_MARK = 0x4a;
export const FRAME_VERSION = 1;
const HEADER_BYTES = 11;
/** Many times the largest record. A length beyond it is damage, not something to wait for. */
export const MAX_PAYLOAD_BYTES = 256 * 1024;
export const MAX_FRAME_BYTES = HEADER_BYTES + MAX_PAYLOAD_BYTES;

/** Bytes that are no frame, e.g. a write that was torn. */
export interface Damage {
  readonly offset: number;
  readonly bytes: number;
}

export interface FrameReading {
  readonly payloads: readonly string[];
  /** Where the next reading begins. */
  readonly consumedBytes: number;
  readonly damages: readonly Damage[];
}

/** Writes one frame into `target`, which holds `MAX_FRAME_BYTES`. Its length in bytes. Throws `RangeError` where it is too large. */
export function writeFrame(payload: string, target: Buffer): number {
  // A text that does not fit is cut: then fewer characters were written than it has.
  const room = target.length - HEADER_BYTES;
  if (payload.length > room) throw new RangeError(`A record of ${payload.length} characters is too large.`);
  const length = target.write(payload, HEADER_BYTES, 'utf8');
  if (length > MAX_PAYLOAD_BYTES || (length >= room - 3 && Buffer.byteLength(payload) !== length)) {
    throw new RangeError('A record is too large.');
  }
  target[0] = MARK;
  target[1] = SECOND_MARK;
  target[2] = FRAME_VERSION;
  target.writeUInt32BE(length, 3);
  target.writeUInt32BE(checksumOf(target, 0, length), 7);
  return HEADER_BYTES + length;
}

/**
 * Reads the frames that `bytes` begins with, at most `maxFrames`, and steps over what is none. Where more bytes may
 * follow (`isWhole` false) a frame that is not all there is left for the next reading.
 */
export function readFrames(bytes: Buffer, isWhole: boolean, maxFrames: number = Number.MAX_SAFE_INTEGER): FrameReading {
  const payloads: string[] = [];
  const damages: Damage[] = [];
  let offset = 0;
  let damagedFrom: number | null = null;
  const mend = (until: number): void => {
    if (damagedFrom !== null) damages.push({ offset: damagedFrom, bytes: until - damagedFrom });
    damagedFrom = null;
  };
  while (offset < bytes.length && payloads.length < maxFrames) {
    const end = findFrameEnd(bytes, offset);
    if (end === 'incomplete' && !isWhole) break;
    if (typeof end === 'number') {
      mend(offset);
      payloads.push(bytes.toString('utf8', offset + HEADER_BYTES, end));
      offset = end;
      continue;
    }
    damagedFrom ??= offset;
    const next = bytes.indexOf(MARK, offset + 1);
    offset = next < 0 ? bytes.length : next;
  }
  mend(offset);
  return { payloads, consumedBytes: offset, damages };
}

/** Where the frame at `offset` ends; `incomplete` where bytes that could still come would decide. */
function findFrameEnd(bytes: Buffer, offset: number): number | 'incomplete' | 'none' {
  if (bytes[offset] !== MARK) return 'none';
  if (bytes.length - offset < HEADER_BYTES) return 'incomplete';
  if (bytes[offset + 1] !== SECOND_MARK || bytes[offset + 2] !== FRAME_VERSION) return 'none';
  const length = bytes.readUInt32BE(offset + 3);
  if (length > MAX_PAYLOAD_BYTES) return 'none';
  const end = offset + HEADER_BYTES + length;
  if (end > bytes.length) return 'incomplete';
  return bytes.readUInt32BE(offset + 7) === checksumOf(bytes, offset, length) ? end : 'none';
}

function checksumOf(bytes: Buffer, offset: number, length: number): number {
  const payloadAt = offset + HEADER_BYTES;
  return crc32(bytes.subarray(payloadAt, payloadAt + length), crc32(bytes.subarray(offset + 2, offset + 7)));
}
