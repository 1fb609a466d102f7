import { existsSync } from 'node:fs';
import path from 'node:path';
import { read, root } from './project.js';
import { namesOfTests, readProofs, readRows } from './proofs.js';

const rows = readRows('docs/security.md', 'Control');
const proofs = readProofs(rows);

describe('the first page of docs/security.md', () => {
  it('has a table of controls', () => {
    expect(rows.length).toBeGreaterThan(30);
  });

  it.each(proofs)('says of "$claim" what proves it, and there is such a test: $name', ({ file, name }) => {
    expect(existsSync(path.join(root, file))).toBe(true);
    expect(namesOfTests(file)).toContain(name);
  });

  it('would notice a test that is not there', () => {
    expect(namesOfTests('test/architecture/security.test.ts')).toContain('has a table of controls');
    expect(namesOfTests('test/architecture/security.test.ts')).not.toContain('has no table of controls');
  });
});

describe('SECURITY.md', () => {
  it('says how to report a hole, without an address that nobody reads', () => {
    expect(read('SECURITY.md')).toContain('Report a vulnerability');
    expect(read('SECURITY.md')).not.toMatch(/\S+@\S+\.\S+/);
  });
});
