import './lib/node-version.mjs';
import { ensureBuilt } from './lib/build.mjs';
import { ensureInstalled } from './lib/install.mjs';

await ensureInstalled();
await ensureBuilt();
console.log('Ready: `npm run dev` starts AEGIS, `npm test` tests it.');
