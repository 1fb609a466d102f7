/** What `npm run bench` does of the gateway's bench. */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { writeDocuments } from './document.mjs';
import { runProfile } from './profile.mjs';
import { runQuick } from './quick.mjs';
import { measureGateway, PARTS } from './suite.mjs';
import { toMarkdown } from './tables.mjs';

const note = (text) => console.error(text);

/**
 * @param options quick, writeBaseline, profile (cases), parts, rounds, json (a file), write
 * @returns the process's exit code
 */
export async function runGatewayBench({ quick, writeBaseline, profile, parts = PARTS, rounds, json, write }) {
  if (profile.length > 0) {
    await runProfile(profile, mkdtempSync(path.join(tmpdir(), 'aegis-profile-')));
    return 0;
  }
  if (quick) return (await runQuick({ writeBaseline })) ? 0 : 1;
  // Parts that were measured before and stand in the file stay there.
  const known = json !== undefined && existsSync(json) ? JSON.parse(readFileSync(json, 'utf8')) : {};
  const results = { ...known, ...(await measureGateway({ parts, rounds, note })) };
  const file = json ?? path.join(mkdtempSync(path.join(tmpdir(), 'aegis-results-')), 'gateway.json');
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  console.log(`\n${toMarkdown(results)}\n\nAll figures: ${file}`);
  if (write) writeDocuments(results);
  return 0;
}
