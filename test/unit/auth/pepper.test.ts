import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadAuthSettings } from '../../../src/auth/auth-settings.js';
import { checkPreviousPepper, loadPepper } from '../../../src/auth/pepper.js';
import { GatewayConfig } from '../../../src/config/schema/gateway.config.js';

describe('the pepper before', () => {
  const pepper = 'p'.repeat(32);

  it('is none where it is empty, and refused where it is short or the present one', () => {
    expect(checkPreviousPepper('', pepper)).toBeNull();
    expect(checkPreviousPepper('q'.repeat(32), pepper)).toBe('q'.repeat(32));
    expect(() => checkPreviousPepper('short', pepper)).toThrow('auth.previous_pepper');
    expect(() => checkPreviousPepper(pepper, pepper)).toThrow('leave it out');
  });
});

describe('the pepper', () => {
  const configured = 'x'.repeat(32);
  let dataFolder: string;
  beforeEach(async () => {
    dataFolder = path.join(await mkdtemp(path.join(tmpdir(), 'aegis-pepper-')), '.aegis');
  });
  afterEach(() => rm(path.dirname(dataFolder), { recursive: true, force: true }));

  it('is the configured one where it has at least 32 bytes', async () => {
    expect(await loadPepper({ configured, dataFolder: null })).toBe(configured);
    expect(await loadPepper({ configured: 'ü'.repeat(16), dataFolder: null })).toBe('ü'.repeat(16));
  });

  it('is refused where it is shorter, and is not shown', async () => {
    const short = 'short-secret';
    const refusal = loadPepper({ configured: short, dataFolder });
    await expect(refusal).rejects.toThrow('AEGIS_KEY_PEPPER');
    await expect(refusal).rejects.not.toThrow(short);
  });

  it('is made once in development, even by two processes at once, and only its owner can read it', async () => {
    const peppers = await Promise.all(Array.from({ length: 10 }, () => loadPepper({ configured: '', dataFolder })));
    expect(new Set(peppers).size).toBe(1);
    expect(peppers[0]).toMatch(/^[0-9a-f]{64}$/);
    const file = path.join(dataFolder, 'pepper');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await readFile(file, 'utf8')).trim()).toBe(peppers[0]);
    expect(await loadPepper({ configured: '', dataFolder })).toBe(peppers[0]);
  });

  it('must be configured in production, and where the database is not the embedded one', async () => {
    const gateway = new GatewayConfig();
    await expect(loadAuthSettings(gateway, { NODE_ENV: 'production' })).rejects.toThrow('AEGIS_KEY_PEPPER');
    gateway.database.url = 'postgres://db.example/aegis';
    await expect(loadAuthSettings(gateway, { AEGIS_DATA_DIR: dataFolder })).rejects.toThrow('AEGIS_KEY_PEPPER');
    gateway.database.url = '';
    await expect(loadAuthSettings(gateway, { AEGIS_DATA_DIR: dataFolder })).resolves.toMatchObject({
      pepper: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });
});
