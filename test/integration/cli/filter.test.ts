import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const root = process.cwd();
const TOKEN = `gh${'p_'}eiUJ25XLpPR0G43sFC0YjP9RyfS9sULWccpt`;
const PASSWORD = 'x8Kq2!vN7z';

/** The built command line in a folder with a configuration of its own. */
describe('aegis filter', () => {
  let folder: string;
  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'aegis-filter-'));
    await cp(path.join(root, 'config'), folder, { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function run(parameters: readonly string[], input = ''): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const program = path.join(root, 'dist', 'src', 'cli', 'main.js');
      const child = spawn(process.execPath, [program, 'filter', ...parameters], {
        env: { PATH: process.env.PATH ?? '', AEGIS_CONFIG_DIR: folder },
      });
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (chunk) => {
        stdout += chunk;
      });
      child.stderr.on('data', (chunk) => {
        stderr += chunk;
      });
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, stdout, stderr }));
      // A program that has ended already takes nothing more.
      child.stdin.on('error', () => {});
      child.stdin.end(input);
    });
  }

  function write(name: string, text: string): string {
    const file = path.join(folder, name);
    writeFileSync(file, text);
    return file;
  }

  const DRAFT = `Dear Ada,\n\nmy key is ${TOKEN}. please\nDB_PASSWORD=${PASSWORD}\n`;

  describe('scan', () => {
    it('says rule, place, severity and action of what a file holds, and never what it is', async () => {
      const { code, stdout, stderr } = await run(['scan', write('draft.md', DRAFT)]);
      expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
      expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
        ['PLACE', 'FILTER', 'RULE', 'SEVERITY', 'ACTION'],
        ['3:11', 'secrets', 'github-token', 'critical', 'block'],
        ['4:13', 'secrets', 'password-environment', 'medium', 'flag'],
        [''],
      ]);
      expect(stdout).not.toContain(TOKEN.slice(8));
      expect(stdout).not.toContain(PASSWORD);
    });

    it('reads what comes in, and prints JSON', async () => {
      const { code, stdout } = await run(['scan', '-', '--json'], DRAFT);
      expect(code).toBe(1);
      expect(JSON.parse(stdout)[0]).toEqual({
        filter: 'secrets',
        rule: 'github-token',
        severity: 'critical',
        line: 3,
        column: 11,
        action: 'block',
      });
    });

    it('finds what is encoded at its place', async () => {
      const encoded = Buffer.from(`my key is ${TOKEN}`).toString('base64');
      const { code, stdout } = await run(['scan', '-', '--json'], `Hello\n  ${encoded}\n`);
      expect(code).toBe(1);
      expect(JSON.parse(stdout)).toMatchObject([{ rule: 'github-token', line: 2 }]);
    });

    it('ends with 0 where nothing is found', async () => {
      expect(await run(['scan', '-'], 'Good morning.')).toMatchObject({ code: 0, stdout: 'Nothing was found.\n' });
      expect(await run(['scan', '-', '--json'], 'Good morning.')).toMatchObject({ code: 0, stdout: '[]\n' });
    });

    it.each([
      ['a file that is not there', ['scan', '/nowhere/draft.md'], /ENOENT/],
      ['a level that is none', ['scan', '-', '--classification', 'cosmic'], /--classification must be one of/],
      ['no file', ['scan'], /missing required argument 'file'/],
    ])('ends with 2 for %s', async (_, parameters, expected) => {
      expect(await run(parameters)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(expected) });
    });

    it('ends with 2 where the configuration cannot be used', async () => {
      write('secret-rules.yaml', 'rules: none');
      expect(await run(['scan', '-'], DRAFT)).toMatchObject({ code: 2, stderr: expect.stringMatching(/secret-rules/) });
    });

    it("searches with the configuration's own rules", async () => {
      write(
        'secret-rules.yaml',
        `rules:
  - {id: acme-token, vendor: Acme, type: token, severity: low, action: redact, anchors: [acme_], pattern: 'acme_[a-z0-9]{20}',
     max_length: 25, examples: {positive: ['ac<+>me_a1b2c3d4e5f6g7h8i9j0']}}`,
      );
      const { stdout } = await run(['scan', '-', '--json'], `acme_a1b2c3d4e5f6g7h8i9j0 ${TOKEN}`);
      expect(JSON.parse(stdout)).toMatchObject([{ rule: 'acme-token', action: 'redact', line: 1, column: 1 }]);
    });
  });

  describe('test', () => {
    it('tries the examples of all rules and counts them', async () => {
      const { code, stdout, stderr } = await run(['test']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const [head, secrets] = stdout.split('\n').map((line) => line.trim().split(/ {2,}/));
      expect(head).toEqual(['FILE', 'RULES', 'POSITIVE', 'NEGATIVE', 'FAILED']);
      expect(secrets?.[0]).toMatch(/secret-rules\.yaml$/);
      expect(secrets?.slice(1, 4).every((count) => Number(count) > 300)).toBe(true);
      expect(secrets?.[4]).toBe('0');
    });

    it('ends with 1 where an example is not as it should be, and says which', async () => {
      write(
        'secret-rules.yaml',
        `rules:
  - {id: acme-token, vendor: Acme, type: token, severity: low, anchors: [acme_], pattern: 'acme_[a-z0-9]{20}',
     max_length: 25, examples: {positive: ['acme_short']}}`,
      );
      const { code, stderr } = await run(['test']);
      expect(code).toBe(1);
      expect(stderr).toMatch(/acme-token: positive example 1 is not found/);
    });
  });
});
