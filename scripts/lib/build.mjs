import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { inRoot, root } from './paths.mjs';

const SOURCES = ['src', 'migrations'];
/** Data that sources read from where they lie. */
const DATA = ['config/secret-rules.yaml', 'config/personal-data-rules.yaml'];

async function listSources() {
  const lists = await Promise.all(
    SOURCES.map(async (folder) => {
      const entries = await readdir(inRoot(folder), { recursive: true, withFileTypes: true }).catch((error) => {
        if (error.code === 'ENOENT') return [];
        throw error;
      });
      return entries
        .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
        .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)));
    }),
  );
  return lists.flat();
}

/**
 * Compiles `src/` and `migrations/` into `dist/`, the same tree below it, so that what they say of each other's place
 * holds there too.
 * Types are not checked here (`npm run lint` does that). The new tree replaces the old one whole: what was deleted
 * from the sources is gone, and a build that fails leaves the last one standing. Returns the number of files.
 */
export async function build() {
  const { transformFile } = await import('@swc/core');
  const options = JSON.parse(await readFile(inRoot('.swcrc'), 'utf8'));
  delete options.$schema;
  const sources = await listSources();
  const fresh = inRoot(`dist.${process.pid}`);
  const previous = `${fresh}.previous`;
  try {
    await Promise.all(
      sources.map(async (source) => {
        const target = path.join(fresh, source.replace(/\.ts$/, '.js'));
        const { code, map } = await transformFile(inRoot(source), {
          ...options,
          swcrc: false,
          // As seen from where the file will lie: stack traces name the source.
          sourceFileName: path.relative(path.dirname(path.join('dist', source)), source),
        });
        await mkdir(path.dirname(target), { recursive: true });
        await writeFile(target, `${code}\n//# sourceMappingURL=${path.basename(target)}.map\n`);
        await writeFile(`${target}.map`, map);
      }),
    );
    for (const file of DATA) {
      await mkdir(path.dirname(path.join(fresh, file)), { recursive: true });
      await copyFile(inRoot(file), path.join(fresh, file));
    }
    await rename(inRoot('dist'), previous).catch((error) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await rename(fresh, inRoot('dist'));
  } finally {
    for (const folder of [fresh, previous]) await rm(folder, { recursive: true, force: true });
  }
  return sources.length;
}

/** Builds where `dist/` is missing or older than a source. */
export async function ensureBuilt() {
  const modifiedMs = async (files) => Promise.all(files.map(async (file) => (await stat(inRoot(file))).mtimeMs));
  const sources = [...(await listSources()), ...DATA];
  const built = sources.map((source) => path.join('dist', source.replace(/\.ts$/, '.js')));
  const isCurrent = await modifiedMs(built).then(
    async (times) => Math.min(...times) >= Math.max(...(await modifiedMs(sources))),
    () => false,
  );
  if (!isCurrent) await build();
}
