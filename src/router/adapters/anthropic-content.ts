import type { ChatContentPart, ChatMessage } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import { findText } from './json-answer.js';
import type { RequestProblems } from './request-problems.js';

/** A content block of Anthropic's. Source: https://docs.anthropic.com/en/api/messages */
export type AnthropicBlock = { readonly type: string; readonly [key: string]: unknown };

const DATA_URL = /^data:([^;,]+)((?:;[^;,]+)*),/;

/** A message's content as blocks. Empty texts are left out: Anthropic refuses them. */
export function toBlocks(
  content: ChatMessage['content'],
  path: string,
  toBlock: (part: ChatContentPart, path: string) => AnthropicBlock | null,
): AnthropicBlock[] {
  if (content === null || content === undefined || content === '') return [];
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  const blocks: AnthropicBlock[] = [];
  content.forEach((part, index) => {
    const block = toBlock(part, `${path}[${index}]`);
    if (block) blocks.push(withCacheControl(block, part));
  });
  return blocks;
}

/** Anthropic's own mark for prompt caching, which its clients put on parts and tools, is its to read. */
export function withCacheControl(block: AnthropicBlock, source: { readonly [key: string]: unknown }): AnthropicBlock {
  return isObject(source.cache_control) ? { ...block, cache_control: source.cache_control } : block;
}

export function textBlock(part: ChatContentPart, path: string, problems: RequestProblems): AnthropicBlock | null {
  if (part.type !== 'text') {
    problems.refuse(path);
    return null;
  }
  return findText(part.text) === undefined ? null : { type: 'text', text: part.text };
}

/** What a user may say: text, images, documents. */
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
  const text = findText(part.refusal);
  return text === undefined ? null : { type: 'text', text };
}

function imageBlock(url: string, path: string, problems: RequestProblems): AnthropicBlock | null {
  if (/^https?:\/\//i.test(url)) return { type: 'image', source: { type: 'url', url } };
  const data = readDataUrl(url);
  if (data?.mediaType.startsWith('image/')) {
    return { type: 'image', source: { type: 'base64', media_type: data.mediaType, data: data.base64 } };
  }
  problems.reject(path, 'must be an http(s) URL, or a base64 data URL of an image.');
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
  if (data?.mediaType === 'text/plain') {
    const text = Buffer.from(data.base64, 'base64').toString('utf8');
    return { type: 'document', source: { type: 'text', media_type: data.mediaType, data: text }, ...title };
  }
  problems.reject(`${path}.file_data`, 'must be a base64 data URL of a PDF or of plain text.');
  return null;
}

function readDataUrl(url: string): { mediaType: string; base64: string } | null {
  const head = DATA_URL.exec(url);
  if (!head?.[1] || !head[2]?.toLowerCase().includes(';base64')) return null;
  const mediaType = head[1].toLowerCase();
  // What some clients call it; Anthropic knows the registered name alone.
  return { mediaType: mediaType === 'image/jpg' ? 'image/jpeg' : mediaType, base64: url.slice(head[0].length) };
}
