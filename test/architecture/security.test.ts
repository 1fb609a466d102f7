import { existsSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { read, root } from './project.js';

interface Proof {
  readonly control: string;
  readonly file: string;
  readonly name: string;
}

const [, firstTable = ''] = /\| Control \| Test \|\n\|---\|---\|\n((?:\|.*\n)+)/.exec(read('docs/security.md')) ?? [];
const rows = firstTable.trim().split('\n');
const proofs: readonly Proof[] = rows.flatMap((row) => {
  const [, control = '', cell = ''] = /^\| (.+?) \| (.+) \|$/.exec(row) ?? [];
  return cell.split('<br>').map((proof) => {
    const [, file = '', name = ''] = /^`(test\/[^`]+\.test\.ts)` › (.+)$/.exec(proof) ?? [];
    return { control, file, name };
  });
});

/** The names of a file's tests as they are written there: `%s` and `${…}` included. */
function namesOfTests(file: string): string[] {
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);
  const names: string[] = [];
  const visit = (node: ts.Node): void => {
    const [title] = ts.isCallExpression(node) ? node.arguments : [];
    if (ts.isCallExpression(node) && title !== undefined && /^(it|test)\b/.test(node.expression.getText(source))) {
      if (ts.isStringLiteral(title) || ts.isNoSubstitutionTemplateLiteral(title)) names.push(title.text);
      else if (ts.isTemplateExpression(title)) names.push(title.getText(source).slice(1, -1));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return names;
}

describe('the first page of docs/security.md', () => {
  it('has a table of controls', () => {
    expect(rows.length).toBeGreaterThan(30);
  });

  it.each(proofs)('says of "$control" what proves it, and there is such a test: $name', ({ file, name }) => {
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
