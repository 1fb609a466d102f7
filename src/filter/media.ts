/** Kinds of content that no text filter can read. A closed set: it names rules in findings and metrics. */
export const UNSCANNED_KINDS = ['image', 'audio', 'video', 'file'] as const;
export type UnscannedKind = (typeof UNSCANNED_KINDS)[number];

/** Something that was not looked into. */
export interface UnscannedContent {
  readonly kind: UnscannedKind;
  readonly path: string;
}

const DATA_URL = /^data:([a-z0-9.+-]{1,64}\/[a-z0-9.+-]{1,128})?[^,]{0,200},/i;
const TEXT_FORMAT = /[+/](?:xml|json)$/i;
const OPAQUE_FILE = /^(?:font\/|application\/(?:pdf|zip|gzip|x-|msword|vnd\.))/i;
const AUDIO_PATH = /\.input_audio\.data$/;

/** The kind of media a string holds; null where it is text, or a data URL of text (whose base64 is decoded as any). */
export function findMediaKind(value: string, path: string): UnscannedKind | null {
  if (AUDIO_PATH.test(path)) return 'audio';
  if (value.charCodeAt(0) !== 100 && value.charCodeAt(0) !== 68) return null;
  const type = DATA_URL.exec(value.slice(0, 512))?.[1];
  if (type === undefined || TEXT_FORMAT.test(type)) return null;
  if (/^image\//i.test(type)) return 'image';
  if (/^audio\//i.test(type)) return 'audio';
  if (/^video\//i.test(type)) return 'video';
  return OPAQUE_FILE.test(type) ? 'file' : null;
}
