/** Puts a run's figures where people read them: the tables between the markers of docs/performance.md, and a picture. */
import { readFileSync, writeFileSync } from 'node:fs';
import { inRoot } from '../../../scripts/lib/paths.mjs';
import { draw } from './plot.mjs';
import { toMarkdown } from './tables.mjs';

const PAGE = inRoot('docs', 'performance.md');
const PICTURE = inRoot('docs', 'images', 'performance.svg');
const BEGIN = '<!-- figures: begin (npm run bench -- --only gateway --write) -->';
const END = '<!-- figures: end -->';

export function writeDocuments(results) {
  const page = readFileSync(PAGE, 'utf8');
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${PAGE} has no markers to write between`);
  const text = `${page.slice(0, begin)}${BEGIN}\n![Processor time beside a raw relay](images/performance.svg)\n\n${toMarkdown(results)}\n\n${page.slice(end)}`;
  writeFileSync(PAGE, text);
  if (results.cpu) writeFileSync(PICTURE, draw(results));
}
