import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { CONFIG_FILE_NAMES } from '../../../src/config/files.js';
import type { ConfigSnapshot } from '../../../src/config/snapshot.js';
import { SnapshotService } from '../../../src/config/snapshot.service.js';
import type { WatcherOptions } from '../../../src/config/watcher.js';
import { silentObserver } from '../../../src/domain/observer.js';

const FAST: WatcherOptions = { pollMs: 40, settleMs: 60 };
const DEADLINE_MS = 10_000;

const FILES: Readonly<Record<string, string>> = {
  'gateway.yaml': 'routing: {deadline: 1s}\n',
  'providers.yaml': 'providers: {house: {type: vllm, base_url: "http://127.0.0.1:8000/v1"}}\n',
  'models.yaml': modelsNamed('one'),
  'pricing.yaml': 'version: v1\nprices: [{provider: house, model: llama, input: 0, output: 0}]\n',
};

function modelsNamed(...aliases: string[]): string {
  const lines = aliases.map(
    (alias) => `  ${alias}: {primary: {provider: house, model: llama, classification_ceiling: PUBLIC}}\n`,
  );
  return `models:\n${lines.join('')}`;
}

const aliasesOf = ({ models }: ConfigSnapshot): string => [...models.keys()].join();

describe('the configuration of a running gateway', () => {
  let folder: string;
  let service: SnapshotService;
  let seen: string[];
  let outcomes: string[];
  let log: string[];

  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

  async function open(directory: string, watcher = FAST, environment: Record<string, string> = {}): Promise<void> {
    const observer = { ...silentObserver, configReloaded: (outcome: string) => void outcomes.push(outcome) };
    service = await SnapshotService.open({ directory, environment, watch: true, watcher, observer: () => observer });
    service.changes$.subscribe((snapshot) => seen.push(aliasesOf(snapshot)));
    service.onModuleInit();
    // The watcher's first look is over: what is written from here on is a change.
    await delay(100);
  }

  async function until(isSo: () => boolean): Promise<void> {
    const end = performance.now() + DEADLINE_MS;
    while (!isSo()) {
      if (performance.now() > end)
        throw new Error(`still ${aliasesOf(service.current)}; ${JSON.stringify(service.status)}`);
      await delay(10);
    }
  }

  const untilServing = (aliases: string): Promise<void> => until(() => aliasesOf(service.current) === aliases);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'aegis-config-'));
    for (const [name, text] of Object.entries(FILES)) write(name, text);
    [seen, outcomes, log] = [[], [], []];
    const keep = (line: unknown): void => void log.push(String(line));
    Logger.overrideLogger({ log: keep, warn: keep, error: keep });
  });

  afterEach(() => {
    service.onModuleDestroy();
    rmSync(folder, { recursive: true, force: true });
    Logger.overrideLogger(false);
  });

  it('follows a file that is written in place', async () => {
    await open(folder);
    const before = service.current;
    write('models.yaml', modelsNamed('one', 'two'));
    await untilServing('one,two');
    expect(await service.reload('request')).toBe('unchanged');
    expect(service.status).toMatchObject({ version: service.current.version, lastError: null, lastFailedAtMs: null });
    expect(aliasesOf(before)).toBe('one');
    expect(outcomes).toEqual(['applied', 'unchanged']);
  });

  it('is told of changes by the system, long before it would look by itself', async () => {
    await open(folder, { pollMs: 3_600_000, settleMs: 60 });
    write('models.yaml', modelsNamed('two'));
    await untilServing('two');
  });

  it('follows a file that an editor renames over the old one, again and again', async () => {
    await open(folder);
    for (let round = 1; round <= 3; round++) {
      write('models.yaml.new', modelsNamed(`round${round}`));
      renameSync(join(folder, 'models.yaml.new'), join(folder, 'models.yaml'));
      await untilServing(`round${round}`);
    }
    expect(seen).toEqual(['round1', 'round2', 'round3']);
  });

  it('keeps serving while a file is gone, and follows it when it is made again', async () => {
    await open(folder);
    rmSync(join(folder, 'models.yaml'));
    await until(() => service.status.lastError !== null);
    expect(service.status.lastError).toContain('models.yaml: the file is missing');
    expect(aliasesOf(service.current)).toBe('one');
    write('models.yaml', modelsNamed('again'));
    await untilServing('again');
    expect(service.status.lastError).toBeNull();
    expect(service.status.lastFailedAtMs).not.toBeNull();
    expect(outcomes).toEqual(['rejected', 'applied']);
  });

  it('keeps serving while the whole folder is gone, and follows it when it is back', async () => {
    await open(folder);
    renameSync(folder, `${folder}-away`);
    await until(() => service.status.lastError !== null);
    mkdirSync(folder);
    for (const [name, text] of Object.entries(FILES)) write(name, text);
    await until(() => service.status.lastError === null);
    write('models.yaml', modelsNamed('back'));
    await untilServing('back');
    rmSync(`${folder}-away`, { recursive: true });
  });

  it('follows ten swaps of the symbolic link that Kubernetes mounts a ConfigMap behind', async () => {
    const mount = join(folder, 'mount');
    mkdirSync(mount);
    const publish = (generation: number): void => {
      const data = `..2026_${generation}`;
      mkdirSync(join(mount, data));
      for (const [name, text] of Object.entries(FILES)) writeFileSync(join(mount, data, name), text);
      writeFileSync(join(mount, data, 'models.yaml'), modelsNamed(`generation${generation}`));
      symlinkSync(data, join(mount, '..data_tmp'));
      renameSync(join(mount, '..data_tmp'), join(mount, '..data'));
      rmSync(join(mount, `..2026_${generation - 1}`), { recursive: true, force: true });
    };
    publish(0);
    for (const name of CONFIG_FILE_NAMES) symlinkSync(join('..data', name), join(mount, name));
    await open(mount);
    for (let generation = 1; generation <= 10; generation++) {
      publish(generation);
      await untilServing(`generation${generation}`);
    }
    expect(seen).toHaveLength(10);
    expect(outcomes).toEqual(Array.from({ length: 10 }, () => 'applied'));
  });

  it('follows a folder that is itself a symbolic link to another one each time', async () => {
    const link = join(folder, 'current');
    const point = (alias: string): void => {
      mkdirSync(join(folder, alias));
      for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, alias, name), text);
      writeFileSync(join(folder, alias, 'models.yaml'), modelsNamed(alias));
      symlinkSync(alias, `${link}.new`);
      renameSync(`${link}.new`, link);
    };
    point('blue');
    await open(link);
    point('green');
    await untilServing('green');
    writeFileSync(join(folder, 'green', 'models.yaml'), modelsNamed('greener'));
    await untilServing('greener');
  });

  it('never serves the first half of a file, though it is valid by itself', async () => {
    await open(folder, { pollMs: 40, settleMs: 500 });
    for (let round = 1; round <= 2; round++) {
      const whole = modelsNamed('first', 'second', `third${round}`);
      write('models.yaml', '');
      await delay(100);
      write('models.yaml', modelsNamed('first'));
      await delay(300);
      write('models.yaml', whole);
      await untilServing(`first,second,third${round}`);
    }
    expect(seen).toEqual(['first,second,third1', 'first,second,third2']);
    expect(outcomes).toEqual(['applied', 'applied']);
  });

  it('keeps the last good set through a wrong one, says why once, and takes the next right one', async () => {
    await open(folder);
    const good = service.current;
    write('models.yaml', modelsNamed('two').replace('house', 'hose'));
    await until(() => service.status.lastError !== null);
    await delay(300);
    expect(service.current).toBe(good);
    expect(service.status.lastError).toContain('(did you mean "house"?)');
    expect(outcomes).toEqual(['rejected']);
    expect(log.filter((line) => line.includes('did you mean'))).toHaveLength(1);
    write('models.yaml', modelsNamed('two'));
    await untilServing('two');
    expect(seen).toEqual(['two']);
  });

  it('is right again as soon as the files are what they were', async () => {
    await open(folder);
    const good = service.current;
    write('gateway.yaml', 'junk: [');
    await until(() => service.status.lastError !== null);
    write('gateway.yaml', FILES['gateway.yaml'] ?? '');
    await until(() => service.status.lastError === null);
    expect(service.current).toBe(good);
    expect(outcomes).toEqual(['rejected', 'unchanged']);
  });

  it('swaps all four files as one set', async () => {
    await open(folder);
    write('providers.yaml', 'providers: {other: {type: simulator}}\n');
    await until(() => service.status.lastError !== null);
    write('models.yaml', modelsNamed('two').replace('house', 'other'));
    write('pricing.yaml', 'version: v2\nprices: []\n');
    await untilServing('two');
    expect([...service.current.providers.keys()]).toEqual(['other']);
    expect(service.current.pricing.version).toBe('v2');
  });

  it('follows a mounted secret that is rotated, and shows it nowhere', async () => {
    const secret = join(folder, 'key');
    writeFileSync(secret, 'Zq7-first\n');
    write('providers.yaml', `providers: {house: {type: vllm, base_url: "http://h/v1", api_key: "\${file:${secret}}"}}`);
    await open(folder);
    expect(service.current.providers.get('house')?.credential).toBe('Zq7-first');
    writeFileSync(secret, 'Zq7-second\n');
    await until(() => service.current.providers.get('house')?.credential === 'Zq7-second');
    rmSync(secret);
    await until(() => service.status.lastError !== null);
    expect(service.current.providers.get('house')?.credential).toBe('Zq7-second');
    writeFileSync(secret, 'Zq7-third\n');
    await until(() => service.current.providers.get('house')?.credential === 'Zq7-third');
    expect(log.join('\n') + JSON.stringify(service.status)).not.toContain('Zq7');
  });

  it('keeps its port until a restart, and names it in the log and the status', async () => {
    await open(folder);
    write('gateway.yaml', 'server: {port: 8081}\nrouting: {deadline: 2s}\n');
    await until(() => service.current.gateway.routing.deadlineMs === 2_000);
    expect(service.current.gateway.server.port).toBe(8080);
    expect(service.status.pendingRestart).toEqual(['server.port']);
    expect(log.join('\n')).toContain('take effect at the next start only: server.port');
  });

  it('can be reloaded on demand and by SIGHUP, one after the other', async () => {
    await open(folder, { pollMs: 3_600_000, settleMs: 3_600_000 });
    expect(await service.reload('request')).toBe('unchanged');
    write('models.yaml', 'junk');
    expect(await service.reload('request')).toBe('rejected');
    write('models.yaml', modelsNamed('two'));
    const both = await Promise.all([service.reload('request'), service.reload('request')]);
    expect(both).toEqual(['applied', 'unchanged']);
    write('models.yaml', modelsNamed('three'));
    process.emit('SIGHUP');
    await untilServing('three');
  });

  it('refuses a wrong set once, though SIGHUP and the watcher both found it', async () => {
    await open(folder, { pollMs: 40, settleMs: 300 });
    write('models.yaml', 'junk: 1');
    expect(await service.reload('signal')).toBe('rejected');
    await delay(600);
    expect(outcomes).toEqual(['rejected']);
  });

  it('leaves no listener and no watch behind when it is destroyed', async () => {
    const before = process.listenerCount('SIGHUP');
    await open(folder);
    expect(process.listenerCount('SIGHUP')).toBe(before + 1);
    service.onModuleDestroy();
    expect(process.listenerCount('SIGHUP')).toBe(before);
    write('models.yaml', modelsNamed('two'));
    await delay(300);
    expect(outcomes).toEqual([]);
    expect(aliasesOf(service.current)).toBe('one');
  });

  it('never goes back to older files, however close a signal comes to what the watcher found', async () => {
    await open(folder, { pollMs: 1_000, settleMs: 20 });
    for (let round = 0; round < 60; round++) {
      write('models.yaml', modelsNamed(`old-${round}`));
      // About when the watcher believes the old files.
      await delay(19 + (round % 6));
      const older = service.reload('signal');
      write('models.yaml', modelsNamed(`new-${round}`));
      await Promise.all([older, service.reload('signal')]);
      await delay(5);
      expect(aliasesOf(service.current)).toBe(`new-${round}`);
    }
    const rounds = seen.map((alias) => Number(alias.slice(4)));
    expect(rounds).toEqual([...rounds].sort((first, second) => first - second));
  });
});
