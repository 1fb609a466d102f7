import ts from 'typescript';
import { read } from './project.js';

/** A line of a documented table: what is claimed, and a test that breaks where it is not true. */
export interface Proof {
  readonly claim: string;
  readonly file: string;
  readonly name: string;
}

/** The lines below the two headings of a page's table. */
export function readRows(page: string, claims: string): readonly string[] {
  const [, table = ''] =
    new RegExp(`\\| ${claims} \\| Test \\|\\n\\|---\\|---\\|\\n((?:\\|.*\\n)+)`).exec(read(page)) ?? [];
  return table.trim().split('\n');
}

export function readProofs(rows: readonly string[]): readonly Proof[] {
  return rows.flatMap((row) => {
    const [, claim = '', cell = ''] = /^\| (.+?) \| (.+) \|$/.exec(row) ?? [];
    return cell.split('<br>').map((proof) => {
      const [, file = '', name = ''] = /^`(test\/[^`]+\.test\.ts)` › (.+)$/.exec(proof) ?? [];
      return { claim, file, name };
    });
  });
}

/** The names of a file's tests as they are written there: `%s` and `${…}` included. */
export function namesOfTests(file: string): string[] {
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
