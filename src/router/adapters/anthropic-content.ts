import type { ChatContentPart, ChatMessage } from '../../domain/chat.js';
import { withCacheControl } from './anthropic-cache.js';
import type { RequestProblems } from './request-problems.js';

/** A content block of Anthropic's. Source: https://docs.anthropic.com/en/api/messages */
export type AnthropicBlock = { readonly type: string; readonly [key: string]: unknown };

export interface AnthropicTurn {
  readonly role: 'user' | 'assistant';
  readonly content: AnthropicBlock[];
}

const DATA_URL = /^data:([^;,]+)((?:;[^;,]+)*),/i;
const PLAIN_BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const IMAGE_TYPES: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp']);

/** A message's content as blocks. Texts of nothing but blanks are left out: Anthropic refuses them. */
export function toBlocks(
  content: ChatMessage['content'],
  path: string,
  problems: RequestProblems,
  toBlock: (part: ChatContentPart, path: string) => AnthropicBlock | null,
): AnthropicBlock[] {
  if (content === null || content === undefined) return [];
  if (typeof content === 'string') return isBlank(content) ? [] : [{ type: 'text', text: content }];
  const blocks: AnthropicBlock[] = [];
  content.forEach((part, index) => {
    const block = toBlock(part, `${path}[${index}]`);
    if (block) blocks.push(withCacheControl(block, part, `${path}[${index}]`, problems));
  });
  return blocks;
}

export function isBlank(text: unknown): boolean {
  return typeof text !== 'string' || text.trim() === '';
}

export function textBlock(part: ChatContentPart, path: string, problems: RequestProblems): AnthropicBlock | null {
  if (part.type !== 'text') {
    problems.refuse(path);
    return null;
  }
  return isBlank(part.text) ? null : { type: 'text', text: part.text };
}

/** What a user or a tool may say: text, images, documents. */
export function userBlock(part: ChatContentPart, path: string, problems: RequestProblems): AnthropicBlock | null {
  switch (part.type) {
    case 'text':
      return textBlock(part, path, problems);
    case 'image_url':
      return imageBlock(part.image_url?.url ?? '', `${path}.image_url.url`, problems);
    case 'file':
      return documentBlock(part, `${path}.file`, problems);
    default:
      // `input_audio`, and kinds that are new to AEGIS.
      problems.refuse(path);
      return null;
  }
}

/** What an assistant said earlier: text, or the text of a refusal. */
export function assistantBlock(part: ChatContentPart, path: string, problems: RequestProblems): AnthropicBlock | null {
  if (part.type !== 'refusal') return textBlock(part, path, problems);
  return isBlank(part.refusal) ? null : { type: 'text', text: part.refusal };
}

function imageBlock(url: string, path: string, problems: RequestProblems): AnthropicBlock | null {
  if (/^https?:\/\//i.test(url)) return { type: 'image', source: { type: 'url', url } };
  const data = readDataUrl(url);
  if (data && IMAGE_TYPES.has(data.mediaType)) {
    return { type: 'image', source: { type: 'base64', media_type: data.mediaType, data: data.base64 } };
  }
  problems.reject(path, 'must be an http(s) URL, or a base64 data URL of a JPEG, PNG, GIF or WebP image.');
  return null;
}

function documentBlock(part: ChatContentPart, path: string, problems: RequestProblems): AnthropicBlock | null {
  const { file_data: fileData, file_id: fileId, filename } = part.file ?? {};
  if (fileId) {
    problems.refuse(`${path}.file_id`);
    return null;
  }
  const data = readDataUrl(fileData ?? '');
  const title = filename ? { title: filename } : {};
  if (data?.mediaType === 'application/pdf') {
    return {
      type: 'document',
      source: { type: 'base64', media_type: data.mediaType, data: data.base64 },
      ...title,
    };
  }
  if (data && /^text\/|^application\/json$/.test(data.mediaType)) {
    const text = Buffer.from(data.base64, 'base64').toString('utf8');
    // Anthropic knows one kind of text.
    if (!isBlank(text)) {
      return { type: 'document', source: { type: 'text', media_type: 'text/plain', data: text }, ...title };
    }
  }
  problems.reject(`${path}.file_data`, 'must be a base64 data URL of a PDF or of a text that says something.');
  return null;
}

function readDataUrl(url: string): { mediaType: string; base64: string } | null {
  const head = DATA_URL.exec(url);
  if (!head?.[1] || !head[2]?.toLowerCase().includes(';base64')) return null;
  const mediaType = head[1].toLowerCase();
  const base64 = toPlainBase64(url.slice(head[0].length));
  if (base64 === null) return null;
  // What some clients call it; Anthropic knows the registered name alone.
  return { mediaType: mediaType === 'image/jpg' ? 'image/jpeg' : mediaType, base64 };
}

/** Padded, of the common alphabet and unbroken, as Anthropic wants it; null where there is nothing, or no base64. */
function toPlainBase64(data: string): string | null {
  if (data.length % 4 === 0 && PLAIN_BASE64.test(data)) return data || null;
  const plain = data
    .replace(/\s|%0[ad]|%20/gi, '')
    .replace(/%2b|-/gi, '+')
    .replace(/%2f|_/gi, '/')
    .replace(/%3d/gi, '=')
    .replace(/(?<!=)=+$/, '');
  if (plain.length % 4 === 1 || !PLAIN_BASE64.test(plain)) return null;
  return plain.padEnd(Math.ceil(plain.length / 4) * 4, '=') || null;
}
