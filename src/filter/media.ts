/** Kinds of content that no text filter can read. A closed set: it names rules in findings and metrics. */
export const UNSCANNED_KINDS = ['image', 'audio', 'video', 'file'] as const;
export type UnscannedKind = (typeof UNSCANNED_KINDS)[number];

/** Something that was not looked into. */
export interface UnscannedContent {
  readonly kind: UnscannedKind;
  readonly path: string;
}

/** A value that says it is media. Only where the rest of it is base64 is that true: see `isBase64`. */
export interface MediaClaim {
  readonly kind: UnscannedKind;
  /** Where the base64 begins. */
  readonly dataStart: number;
}

/** The places a model takes media from. Anywhere else it is given the value as text. */
const MEDIA_PATH =
  /^messages\[\d+\]\.content\[\d+\]\.(?:(?:image_url|audio_url|video_url)\.url|file\.file_data|input_audio\.(data))$/;
const DATA_URL = /^data:([a-z0-9.+-]{1,64}\/[a-z0-9.+-]{1,128})[^,]{0,200};base64,/i;
const TEXT_FORMAT = /[+/](?:xml|json)$/i;
const OPAQUE_FILE = /^(?:font\/|application\/(?:pdf|zip|gzip|x-|msword|vnd\.))/i;
const LONGEST_DATA_URL_HEAD = 512;
/** Without the letters of the URL form: media is never written in it, and tokens are. */
const NOT_BASE64 = /[^A-Za-z0-9+/]/;
const CHARACTERS_PER_SLICE = 262_144;

/** What a value in a place for media claims to be; null where it is text, or a data URL of text. */
export function findMediaClaim(value: string, path: string): MediaClaim | null {
  const place = MEDIA_PATH.exec(path);
  if (!place) return null;
  if (place[1] !== undefined) return { kind: 'audio', dataStart: 0 };
  const head = DATA_URL.exec(value.slice(0, LONGEST_DATA_URL_HEAD));
  const kind = head ? kindOf(head[1] ?? '') : null;
  return head && kind && { kind, dataStart: head[0].length };
}

function kindOf(type: string): UnscannedKind | null {
  if (TEXT_FORMAT.test(type)) return null;
  if (/^image\//i.test(type)) return 'image';
  if (/^audio\//i.test(type)) return 'audio';
  if (/^video\//i.test(type)) return 'video';
  return OPAQUE_FILE.test(type) ? 'file' : null;
}

/** Whether all from `start` on is padded base64. Yields null between slices of a long value. */
export function* isBase64(value: string, start: number): Generator<null, boolean> {
  let end = value.length;
  while (end > start && value.length - end < 2 && value.endsWith('=', end)) end--;
  for (let from = start; from < end; from += CHARACTERS_PER_SLICE) {
    if (NOT_BASE64.test(value.slice(from, Math.min(end, from + CHARACTERS_PER_SLICE)))) return false;
    yield null;
  }
  return true;
}
