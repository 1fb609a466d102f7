import { readFileSync } from 'node:fs';

/** The range package.json promises to run on, e.g. `>=20.19.0`. */
const wanted = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).engines.node.replace(
  '>=',
  '',
);

const [major, minor] = process.versions.node.split('.').map(Number);
const [wantedMajor, wantedMinor] = wanted.split('.').map(Number);

if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) {
  console.error(
    `AEGIS needs Node ${wanted} or newer; this is Node ${process.versions.node} (${process.execPath}).\n` +
      'Install a newer one, e.g. from https://nodejs.org, or with mise: `mise install`.',
  );
  process.exit(1);
}
