import { DockerfileParser } from 'dockerfile-ast';
import { validate } from 'dockerfile-utils';
import { findComposeProblems, parseCompose } from '../support/compose.js';
import { listFiles, manifest, read } from './project.js';

describe('the Dockerfile', () => {
  const dockerfile = read('Dockerfile');
  const instructions = DockerfileParser.parse(dockerfile).getInstructions();
  const argumentsOf = (keyword: string): (string | null)[] =>
    instructions
      .filter((instruction) => instruction.getKeyword() === keyword)
      .map((instruction) => instruction.getArgumentsContent());

  it('has nothing a linter objects to', () => {
    expect(validate(dockerfile).map(({ message, range }) => `${range.start.line + 1}: ${message}`)).toEqual([]);
    expect(validate('FROM node:24\nRUNN true\n')).not.toEqual([]);
  });

  it('builds every stage on one Node, named to the patch, the one that mise.toml pins', () => {
    const images = new Set(argumentsOf('FROM').map((text) => text?.split(' ')[0]));
    expect(images.size).toBe(1);
    const version = /^node:(24\.\d+\.\d+)-bookworm-slim(?:@sha256:[0-9a-f]{64})?$/.exec([...images][0] ?? '')?.[1];
    expect(version).toBeDefined();
    expect(read('mise.toml')).toContain(`node = "${version}"`);
  });

  it('leaves an image that runs as nobody in particular, in production, and says how it is', () => {
    const last = instructions.slice(instructions.findLastIndex((instruction) => instruction.getKeyword() === 'FROM'));
    const found = Object.fromEntries(last.map((each) => [each.getKeyword(), each.getArgumentsContent()]));
    expect(found).toMatchObject({
      USER: '1000:1000',
      EXPOSE: '8080 9090',
      STOPSIGNAL: 'SIGTERM',
      ENTRYPOINT: expect.stringContaining('dist/src/cli/main.js'),
      HEALTHCHECK: expect.stringContaining('/aegis/v1/health/live'),
      ENV: expect.stringContaining('NODE_ENV=production'),
    });
    expect(manifest.scripts.start).toContain('dist/src/');
  });

  it('gets its packages from the lock file, without those for development', () => {
    const installs = argumentsOf('RUN').filter((text) => text?.includes('npm '));
    expect(installs.length).toBeGreaterThan(0);
    for (const install of installs) expect(install).toMatch(/^npm ci /);
    expect(installs.at(-1)).toContain('--omit=dev');
  });
});

describe('docker-compose.yml', () => {
  const compose = parseCompose(read('docker-compose.yml'));
  const { services } = compose;

  it('is valid by the Compose specification', () => {
    expect(findComposeProblems(compose)).toEqual([]);
    expect(findComposeProblems({ name: 'Aegis', services: { gateway: { imagee: 'x' } } })).toHaveLength(2);
  });

  it('runs the gateway and all it works with, each with a health check', () => {
    expect(Object.keys(services).sort()).toEqual([
      'audit-key',
      'gateway',
      'grafana',
      'migrate',
      'postgres',
      'prometheus',
      'redis',
    ]);
    for (const name of ['grafana', 'postgres', 'prometheus', 'redis']) {
      expect(services[name]?.healthcheck).toHaveProperty('test');
    }
  });

  it('serves only once the migrations are done, and migrates only once PostgreSQL is up', () => {
    expect(services.gateway?.depends_on).toMatchObject({
      'audit-key': { condition: 'service_completed_successfully' },
      migrate: { condition: 'service_completed_successfully' },
      redis: { condition: 'service_healthy' },
    });
    expect(services.migrate?.depends_on).toMatchObject({ postgres: { condition: 'service_healthy' } });
  });

  it('gives the gateway a root file system it cannot write, and no capability', () => {
    expect(services.gateway).toMatchObject({ read_only: true, cap_drop: ['ALL'], tmpfs: ['/tmp'] });
  });

  it('names every image by a version', () => {
    for (const { image } of Object.values(services)) expect(image).toMatch(/:(?!latest)[^:]+$/);
  });

  it('has no secret in it, and no default for one', () => {
    const secrets = read('docker-compose.yml').match(/\$\{[A-Z_]*(PASSWORD|PEPPER)[^}]*\}/g) ?? [];
    expect(secrets.length).toBeGreaterThanOrEqual(4);
    for (const secret of secrets) expect(secret).toMatch(/^\$\{[A-Z_]+:\?/);
    const example = read('.env.example');
    for (const secret of secrets) expect(example).toMatch(new RegExp(`^${/[A-Z_]+/.exec(secret)?.[0]}=$`, 'm'));
  });

  it('shows the network nothing but the gateway', () => {
    for (const [name, { ports = [] }] of Object.entries(services)) {
      for (const port of ports) if (name !== 'gateway') expect(port).toMatch(/^127\.0\.0\.1:/);
    }
  });

  it('mounts only what there is, and keeps all data in named volumes', () => {
    const files = listFiles(['deploy']);
    for (const { volumes = [] } of Object.values(services)) {
      for (const [source = ''] of volumes.map((volume) => volume.split(':'))) {
        if (source.startsWith('./')) expect(files.some((file) => `./${file}`.startsWith(source))).toBe(true);
        else expect(Object.keys(compose.volumes)).toContain(source);
      }
    }
  });
});
