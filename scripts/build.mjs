import './lib/node-version.mjs';
import { build } from './lib/build.mjs';
import { ensureInstalled } from './lib/install.mjs';

await ensureInstalled();
const startedAt = performance.now();
const count = await build();
console.log(`Compiled ${count} files into dist/ in ${Math.round(performance.now() - startedAt)} ms.`);
