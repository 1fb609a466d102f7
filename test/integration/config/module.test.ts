import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Global, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { ConfigError } from '../../../src/config/config.error.js';
import { GatewayConfigModule } from '../../../src/config/config.module.js';
import { loadConfigFromDirectory } from '../../../src/config/directory.js';
import { SnapshotService } from '../../../src/config/snapshot.service.js';
import { GATEWAY_OBSERVER, silentObserver } from '../../../src/domain/observer.js';

const root = join(__dirname, '../../..');
const DEVELOPMENT = join(root, 'config');
const PRODUCTION = join(root, 'config/production');

const build = (...imports: NonNullable<Parameters<typeof Test.createTestingModule>[0]['imports']>) =>
  Test.createTestingModule({ imports }).compile();

describe('GatewayConfigModule', () => {
  it('gives every room the configuration of its folder', async () => {
    const environment = { GATEWAY_PORT: '18080' };
    const module = await build(GatewayConfigModule.forRoot({ directory: DEVELOPMENT, environment, watch: false }));
    const { current } = module.get(SnapshotService);
    expect(current.gateway.server.port).toBe(18080);
    expect([...current.models.keys()]).toEqual(['aegis-fast', 'aegis-smart', 'aegis-private']);
    await module.close();
  });

  it('finds its folder in AEGIS_CONFIG_DIR', async () => {
    const environment = { AEGIS_CONFIG_DIR: PRODUCTION };
    const module = await build(GatewayConfigModule.forRoot({ environment, watch: false }));
    expect(module.get(SnapshotService).current.providers.has('simulator')).toBe(false);
    await module.close();
  });

  it('reads the process environment where it is given none', async () => {
    process.env.METRICS_PORT = '19090';
    try {
      const module = await build(GatewayConfigModule.forRoot({ directory: DEVELOPMENT, watch: false }));
      expect(module.get(SnapshotService).current.gateway.telemetry.metricsPort).toBe(19090);
      await module.close();
    } finally {
      delete process.env.METRICS_PORT;
    }
  });

  it('fails the start with every problem where the configuration is wrong', async () => {
    const environment = { NODE_ENV: 'production', GATEWAY_PORT: 'many' };
    const start = build(GatewayConfigModule.forRoot({ directory: DEVELOPMENT, environment, watch: false }));
    const problem = await start.catch((thrown: unknown) => thrown);
    expect(problem).toBeInstanceOf(ConfigError);
    expect(String(problem)).toContain(`The configuration in ${DEVELOPMENT} has 6 problems:`);
    expect(String(problem)).toMatch(
      /server\.port.*\n.*database\.url.*\n.*auth\.pepper.*\n.*accounting\.journal_dir.*\n.*audit\.signing_key_file.*\n.*providers\.simulator\.type/,
    );
  });

  it('tells an observer that needs the configuration itself what each reload came to', async () => {
    const outcomes: string[] = [];
    @Global()
    @Module({
      providers: [
        {
          provide: GATEWAY_OBSERVER,
          inject: [SnapshotService],
          useFactory: () => ({ ...silentObserver, configReloaded: (outcome: string) => void outcomes.push(outcome) }),
        },
      ],
      exports: [GATEWAY_OBSERVER],
    })
    class ObserverModule {}
    const module = await build(
      GatewayConfigModule.forRoot({ directory: DEVELOPMENT, environment: {}, watch: false }),
      ObserverModule,
    );
    await module.get(SnapshotService).reload('request');
    expect(outcomes).toEqual(['unchanged']);
    await module.close();
  });
});

describe('loadConfigFromDirectory', () => {
  it('loads without an application', async () => {
    const { snapshot, warnings } = await loadConfigFromDirectory(DEVELOPMENT, {});
    expect(snapshot.models.size).toBe(3);
    expect(warnings).toEqual([]);
  });

  it('says which files are missing', async () => {
    await expect(loadConfigFromDirectory(join(root, 'config/schema'), {})).rejects.toThrow(
      'gateway.yaml: the file is missing\n  providers.yaml: the file is missing\n  models.yaml: the file is missing\n  pricing.yaml: the file is missing',
    );
  });

  it('refuses what is no text file, without waiting for it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'aegis-config-'));
    mkdirSync(join(folder, 'gateway.yaml'));
    writeFileSync(join(folder, 'providers.yaml'), Buffer.from([0x61, 0xff, 0xfe]));
    writeFileSync(join(folder, 'models.yaml'), '#'.repeat(2 * 1024 * 1024));
    symlinkSync('/dev/zero', join(folder, 'pricing.yaml'));
    await expect(loadConfigFromDirectory(folder, {})).rejects.toThrow(
      'gateway.yaml: the file cannot be read\n  providers.yaml: the file is not UTF-8 text\n  models.yaml: the file is too large\n  pricing.yaml: the file cannot be read',
    );
    rmSync(folder, { recursive: true });
  });
});
