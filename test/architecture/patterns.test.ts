import { analyse } from 'scslre';
import ts from 'typescript';
import { parse } from 'yaml';
import { listFiles, read } from './project.js';

/** Why an input cannot make it slow all the same: what it is tried on is short, or it takes all that it has read. */
const HARMLESS: ReadonlyMap<string, string> = new Map([
  ['src/filter/engine/validators.ts (?=[A-Za-z0-9]{14})', 'tried on a match of at most 132 characters'],
  ['src/filter/stream/stages.ts \\\\+(?:u\\{', 'another way takes a run of backslashes whole'],
  ['src/router/adapters/simulator-answer.ts \\s*\\S{1,16}', 'another way takes a run of blanks whole'],
]);

interface Pattern {
  readonly place: string;
  readonly source: string;
  readonly flags: string;
}

function patternsOf(file: string): Pattern[] {
  const found: Pattern[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isRegularExpressionLiteral(node)) {
      const end = node.text.lastIndexOf('/');
      found.push({ place: file, source: node.text.slice(1, end), flags: node.text.slice(end + 1) });
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest));
  return found;
}

/** What is wrong with a pattern: how the work grows with the length of an unlucky text. */
function complaints({ place, source, flags }: Pattern, isTriedEverywhere: boolean): string[] {
  const { reports } = analyse({ source, flags }, { reportTypes: { Move: isTriedEverywhere } });
  return reports.map(({ type, exponential }) => {
    const growth = exponential ? 'exponential' : 'polynomial';
    return `${place} ${source}: ${growth}, ${type}`;
  });
}

const isHarmless = (complaint: string): boolean => [...HARMLESS.keys()].some((known) => complaint.startsWith(known));

describe('no regular expression can be made slow by what it is tried on', () => {
  const patterns = listFiles(['src', 'migrations'], '.ts').flatMap(patternsOf);
  const found = patterns.flatMap((pattern) => complaints(pattern, true));

  it('neither one in the code', () => {
    expect(patterns.length).toBeGreaterThan(200);
    expect(found.filter((complaint) => !isHarmless(complaint))).toEqual([]);
  });

  it('but for those that are known, none of them exponential, and each still there', () => {
    const known = found.filter(isHarmless);
    expect(known.filter((complaint) => complaint.includes(': exponential'))).toEqual([]);
    for (const beginning of HARMLESS.keys()) expect(known.some((each) => each.startsWith(beginning))).toBe(true);
  });

  it.each(['config/secret-rules.yaml', 'config/personal-data-rules.yaml'])('nor one of %s', (file) => {
    const { rules } = parse(read(file)) as {
      rules: { id: string; pattern: string; allow?: string[]; ignore_case?: boolean }[];
    };
    expect(rules.length).toBeGreaterThan(20);
    const slow = rules.flatMap(({ id, pattern, allow = [], ignore_case }) =>
      // Sticky: a pattern is tried at one place, never at all of them in turn.
      [pattern, ...allow].flatMap((source) => complaints({ place: id, source, flags: ignore_case ? 'i' : '' }, false)),
    );
    expect(slow).toEqual([]);
  });
});
