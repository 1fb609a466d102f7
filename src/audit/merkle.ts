import { hash } from 'node:crypto';

/** RFC 6962, 2.1: leaves and nodes are hashed apart, so that neither can be passed off as the other. */
const LEAF = '\u0000';
const NODE = 1;
const HASH_BYTES = 32;

/** Hash of a leaf, lower-case hex. It is also what a record is known by in its chain. */
export function hashLeaf(text: string): string {
  return hash('sha256', LEAF + text, 'hex');
}

/** Merkle tree hash over hashes of leaves; of none, the hash of nothing. */
export function hashTree(leaves: readonly string[]): string {
  let level = toBuffers(leaves);
  while (level.length > 1) level = pairUp(level);
  return level[0]?.toString('hex') ?? hash('sha256', '', 'hex');
}

/** Audit path (RFC 6962, 2.1.1) of the leaf at `index`: its neighbors on the way up, nearest first. */
export function findPath(leaves: readonly string[], index: number): string[] {
  const path: string[] = [];
  let level = toBuffers(leaves);
  for (let at = index; level.length > 1; at >>= 1) {
    const neighbor = level[at ^ 1];
    if (neighbor) path.push(neighbor.toString('hex'));
    level = pairUp(level);
  }
  return path;
}

/** The root that an audit path leads to, from the leaf at `index` of so many; null where the path is of another length. */
export function followPath(leaf: string, index: number, count: number, path: readonly string[]): string | null {
  const neighbors = [...path];
  let node = Buffer.from(leaf, 'hex');
  for (let at = index, last = count - 1; last > 0; at >>= 1, last >>= 1) {
    if (at === last && at % 2 === 0) continue;
    const neighbor = neighbors.shift();
    if (neighbor === undefined) return null;
    const pair = [node, Buffer.from(neighbor, 'hex')];
    node = hash('sha256', Buffer.concat([Buffer.of(NODE), ...(at % 2 === 1 ? pair.reverse() : pair)]), 'buffer');
  }
  return neighbors.length === 0 ? node.toString('hex') : null;
}

function toBuffers(hashes: readonly string[]): Buffer[] {
  return hashes.map((leaf) => Buffer.from(leaf, 'hex'));
}

/** A node without a neighbor goes up as it is: the same tree as the RFC's, whose left half is a power of two. */
function pairUp(level: readonly Buffer[]): Buffer[] {
  const above: Buffer[] = [];
  const node = Buffer.alloc(1 + 2 * HASH_BYTES, NODE);
  for (let index = 0; index < level.length; index += 2) {
    const left = level[index] as Buffer;
    const right = level[index + 1];
    if (right) {
      left.copy(node, 1);
      right.copy(node, 1 + HASH_BYTES);
      above.push(hash('sha256', node, 'buffer'));
    } else above.push(left);
  }
  return above;
}
