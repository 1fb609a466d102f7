import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

const TEXTS = /\.(?:md|markdown|txt|[cm]?[jt]sx?|json|html|css|ya?ml|py|go|rs|h|c|sh)$/;
const LARGEST_FILE_BYTES = 2_000_000;

/** Documentation and code below a folder, in the same order everywhere, up to so many characters. */
export function* readOrdinaryText(folder, maxCharacters) {
  let characters = 0;
  for (const file of listFiles(folder)) {
    const text = readFileSync(file, 'utf8');
    characters += text.length;
    yield { file: path.relative(folder, file), text };
    if (characters >= maxCharacters) return;
  }
}

function* listFiles(folder) {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((one, other) => (one.name < other.name ? -1 : 1));
  for (const entry of entries) {
    const place = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* listFiles(place);
    else if (entry.isFile() && TEXTS.test(entry.name) && statSync(place).size <= LARGEST_FILE_BYTES) yield place;
  }
}

/** What is found where nothing is hidden: rule, file and line of each alarm, never the text. */
export function measureAlarms(find, folder, maxCharacters) {
  const alarms = [];
  let characters = 0;
  for (const { file, text } of readOrdinaryText(folder, maxCharacters)) {
    characters += text.length;
    for (const { rule, start } of find(text))
      alarms.push({ rule, file, line: text.slice(0, start).split('\n').length });
  }
  return { alarms, megabytes: characters / 1e6, perMegabyte: alarms.length / (characters / 1e6) };
}
