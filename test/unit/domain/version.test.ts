import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AEGIS_VERSION } from '../../../src/domain/version.js';

describe('the release', () => {
  it('is the one of package.json', () => {
    const { version } = JSON.parse(readFileSync(join(process.cwd(), 'package.json'), 'utf8')) as { version: string };
    expect(AEGIS_VERSION).toBe(version);
  });
});
