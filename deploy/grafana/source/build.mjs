/**
 * Makes `../dashboards/*.json` of the sources beside this file: `node deploy/grafana/source/build.mjs`.
 * With `--check` it writes nothing and ends with 1 where a file is not what its source makes.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '..', '..', '..');
const output = path.join(here, '..', 'dashboards');
const biome = path.join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');

/** As `npm run lint` wants it. */
const format = (text, file) =>
  execFileSync(process.execPath, [biome, 'format', `--stdin-file-path=${file}`], {
    cwd: root,
    input: text,
    encoding: 'utf8',
  });

const names = readdirSync(path.join(here, 'dashboards'))
  .filter((file) => file.endsWith('.mjs'))
  .map((file) => path.basename(file, '.mjs'));

const made = new Map();
for (const name of names) {
  const { default: dashboard } = await import(new URL(`./dashboards/${name}.mjs`, import.meta.url).href);
  const file = path.join(output, `${name}.json`);
  made.set(file, format(JSON.stringify(dashboard), path.relative(root, file)));
}

const present = readdirSync(output).map((file) => path.join(output, file));
const extra = present.filter((file) => !made.has(file));
const stale = [...made].filter(([file, text]) => !present.includes(file) || readFileSync(file, 'utf8') !== text);

if (process.argv.includes('--check')) {
  const wrong = [...extra, ...stale.map(([file]) => file)].map((file) => path.basename(file));
  if (wrong.length > 0) {
    process.stderr.write(`Not what deploy/grafana/source makes: ${wrong.join(', ')}. Run its build.mjs.\n`);
    process.exitCode = 1;
  }
} else {
  for (const file of extra) rmSync(file);
  for (const [file, text] of stale) writeFileSync(file, text);
  process.stdout.write(`${made.size} dashboards, ${stale.length} written, ${extra.length} removed\n`);
}
