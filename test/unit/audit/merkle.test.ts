import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { findPath, followPath, hashLeaf, hashTree } from '../../../src/audit/merkle.js';

const sha256 = (...parts: readonly Buffer[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();

/** RFC 6962, 2.1, word by word: the left half is the largest power of two smaller than the number of leaves. */
function treeHash(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0] as Buffer;
  const split = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return sha256(Buffer.from([1]), treeHash(leaves.slice(0, split)), treeHash(leaves.slice(split)));
}

/** RFC 6962, 2.1.1, word by word. */
function auditPath(index: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length <= 1) return [];
  const split = 2 ** Math.floor(Math.log2(leaves.length - 1));
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split
    ? [...auditPath(index, left), treeHash(right)]
    : [...auditPath(index - split, right), treeHash(left)];
}

const hex = (hashes: readonly Buffer[]): string[] => hashes.map((hash) => hash.toString('hex'));

describe('the Merkle tree of a seal', () => {
  it('hashes a leaf and nothing at all as the RFC says', () => {
    expect(hashLeaf('')).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d');
    expect(hashTree([])).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(hashLeaf('ä')).toBe(sha256(Buffer.from([0]), Buffer.from('ä')).toString('hex'));
  });

  it('has the root and the paths of the RFC, for every number of leaves up to 70', () => {
    for (let count = 0; count <= 70; count++) {
      const leaves = Array.from({ length: count }, () => randomBytes(32));
      expect(hashTree(hex(leaves))).toBe(treeHash(leaves).toString('hex'));
      for (let index = 0; index < count; index++) {
        expect(findPath(hex(leaves), index)).toEqual(hex(auditPath(index, leaves)));
        const path = findPath(hex(leaves), index);
        const [leaf = ''] = hex(leaves.slice(index));
        expect(followPath(leaf, index, leaves.length, path)).toBe(hashTree(hex(leaves)));
        expect(followPath(leaf, index, leaves.length, [...path, leaf])).toBeNull();
      }
    }
  });

  it('has the root and the paths of the RFC, for any number of leaves', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3_000 }), fc.nat(), (count, seed) => {
        const leaves = Array.from({ length: count }, (_, index) => sha256(Buffer.from(`${seed}/${index}`)));
        const index = seed % count;
        expect(hashTree(hex(leaves))).toBe(treeHash(leaves).toString('hex'));
        expect(findPath(hex(leaves), index)).toEqual(hex(auditPath(index, leaves)));
      }),
      { numRuns: 20 },
    );
  });
});
