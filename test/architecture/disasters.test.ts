import { existsSync } from 'node:fs';
import path from 'node:path';
import { read, root } from './project.js';
import { namesOfTests, readProofs, readRows } from './proofs.js';

const page = read('docs/disasters.md');
const rows = readRows('docs/disasters.md', 'What happens');
const headings = page.split('\n').flatMap((line) => /^## (.+)$/.exec(line)?.[1] ?? []);

describe('docs/disasters.md', () => {
  it.each(readProofs(rows))('says of "$claim" what proves it, and there is such a test: $name', ({ file, name }) => {
    expect(existsSync(path.join(root, file))).toBe(true);
    expect(namesOfTests(file)).toContain(name);
  });

  it('has a section for each line of its table, in the same order', () => {
    expect(rows.length).toBeGreaterThan(15);
    const linked = rows.map((row) => /\]\(#([^)]+)\)/.exec(row)?.[1]);
    const anchors = headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-'),
    );
    expect(anchors).toEqual(linked);
  });

  it('says in each section what happens and what to do', () => {
    const sections = page.split(/^(?=## )/m).slice(1);
    for (const section of sections) {
      for (const part of ['**What happens.**', '**Do.**']) expect(section).toContain(part);
    }
  });
});
