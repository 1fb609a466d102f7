import { isObject } from '../../domain/json.js';
import type { AnthropicBlock } from './anthropic-content.js';
import type { RequestProblems } from './request-problems.js';

/**
 * The thinking of an earlier answer, as AEGIS gave it to the client: blocks that Anthropic has signed and takes back
 * only unchanged.
 */
export function readThinkingBlocks(value: unknown, path: string, problems: RequestProblems): AnthropicBlock[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) {
    problems.reject(path, 'must be a list of the blocks AEGIS answered with.');
    return [];
  }
  const blocks: AnthropicBlock[] = [];
  value.forEach((block: unknown, index) => {
    const read = readBlock(block);
    if (read) blocks.push(read);
    else problems.reject(`${path}[${index}]`, 'must be a block of thinking just as AEGIS answered with it.');
  });
  return blocks;
}

function readBlock(block: unknown): AnthropicBlock | null {
  if (!isObject(block)) return null;
  const { type, thinking, signature, data } = block;
  if (type === 'thinking' && typeof thinking === 'string' && typeof signature === 'string') {
    return { type, thinking, signature };
  }
  return type === 'redacted_thinking' && typeof data === 'string' ? { type, data } : null;
}

export function isThinking(block: AnthropicBlock): boolean {
  return block.type === 'thinking' || block.type === 'redacted_thinking';
}
