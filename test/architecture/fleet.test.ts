import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { findComposeProblems, parseCompose } from '../support/compose.js';
import { BALANCER_ADDRESS, buildFleetGateway } from '../support/helm/chart-files.js';
import { loaded, shipped } from '../unit/config/support.js';
import { listFiles, read, root } from './project.js';

const ENVIRONMENT = {
  environment: { NODE_ENV: 'production', DATABASE_URL: 'postgres://db/aegis', AEGIS_KEY_PEPPER: 'p'.repeat(32) },
};
const GATEWAYS = ['gateway-1', 'gateway-2', 'gateway-3'];

/** In seconds; of times as Compose and HAProxy write them. */
function secondsOf(text: string | undefined): number {
  const [, count = '', unit = ''] = /^(\d+)(ms|s|m)$/.exec(text ?? '') ?? [];
  return Number(count) * ({ ms: 0.001, s: 1, m: 60 }[unit] ?? Number.NaN);
}

const findIn = (text: string, pattern: RegExp): string => pattern.exec(text)?.[1] ?? '';

describe('deploy/compose/fleet.yml', () => {
  const compose = parseCompose(read('deploy/compose/fleet.yml'));
  const { services } = compose;
  const { services: single } = parseCompose(read('docker-compose.yml'));
  const production = read('config/production/gateway.yaml');

  it('is valid by the Compose specification', () => {
    expect(findComposeProblems(compose)).toEqual([]);
  });

  it('runs three gateways that are the same, behind one balancer', () => {
    expect(Object.keys(services).filter((name) => name.startsWith('gateway'))).toEqual(GATEWAYS);
    for (const name of GATEWAYS) expect(services[name]).toEqual(services['gateway-1']);
    expect(Object.keys(services.balancer?.depends_on ?? {})).toEqual(GATEWAYS);
    const published = Object.entries(services).filter(([, { ports = [] }]) =>
      ports.some((port) => !port.startsWith('127.0.0.1:')),
    );
    expect(published.map(([name]) => name)).toEqual(['balancer']);
  });

  it('gives a gateway what docker-compose.yml gives it', () => {
    const { gateway, migrate, postgres, redis } = single;
    for (const key of ['environment', 'read_only', 'cap_drop', 'command'] as const) {
      expect({ key, value: services['gateway-1']?.[key] }).toEqual({ key, value: gateway?.[key] });
    }
    const file = './deploy/compose/gateway.yaml:/app/config/gateway.yaml:ro';
    expect(services['gateway-1']?.volumes).toEqual([...(gateway?.volumes ?? []), file]);
    expect(services['gateway-1']?.depends_on).toEqual(gateway?.depends_on);
    expect(services.migrate).toEqual(migrate);
    expect(services['audit-key']).toEqual(single['audit-key']);
    for (const [own, theirs] of [
      [services.postgres, postgres],
      [services.redis, redis],
    ]) {
      expect(theirs).toMatchObject(own ?? { missing: true });
    }
  });

  it('gives it the configuration of production, and believes the balancer alone when that says who asked', () => {
    const place = 'deploy/compose/gateway.yaml';
    if (process.env.AEGIS_WRITE_CHART === '1') writeFileSync(path.join(root, place), buildFleetGateway(root));
    else expect(read(place)).toBe(buildFleetGateway(root));
    expect(read('Dockerfile')).toMatch(/^WORKDIR \/app\n(.|\n)*^COPY config\/production config$/m);
    expect(
      loaded({ ...shipped('config/production'), 'gateway.yaml': read(place) }, ENVIRONMENT).snapshot.gateway.server,
    ).toMatchObject({ trustedProxies: [BALANCER_ADDRESS] });
    expect(services.balancer?.networks).toEqual({ default: { ipv4_address: BALANCER_ADDRESS } });
    expect(compose.networks?.default?.ipam.config).toEqual([{ subnet: `${BALANCER_ADDRESS.replace(/\d+$/, '0')}/24` }]);
  });

  it('sends no request where none may go, and lets a gateway finish', () => {
    expect(JSON.stringify(services['gateway-1']?.healthcheck)).toContain('/aegis/v1/health/ready');
    const grace = secondsOf(findIn(production, /shutdown_grace: (\w+)/));
    const finish = secondsOf(findIn(production, /graceful_shutdown: (\w+)/));
    expect(secondsOf(services['gateway-1']?.stop_grace_period)).toBeGreaterThanOrEqual(grace + finish + 15);
  });

  it('mounts only what there is, and keeps all data in named volumes', () => {
    const files = listFiles(['deploy']).map((file) => `./${file}`);
    for (const { volumes = [] } of Object.values(services)) {
      for (const [source = ''] of volumes.map((volume) => volume.split(':'))) {
        expect([...files, ...Object.keys(compose.volumes)]).toContain(source);
      }
    }
  });

  it('names every image by a version, and has no default for a secret', () => {
    for (const { image } of Object.values(services)) expect(image).toMatch(/:(?!latest)[^:]+$/);
    const secrets = read('deploy/compose/fleet.yml').match(/\$\{[A-Z_]*(PASSWORD|PEPPER)[^}]*\}/g) ?? [];
    expect(secrets.length).toBeGreaterThanOrEqual(3);
    for (const secret of secrets) expect(secret).toMatch(/^\$\{[A-Z_]+:\?/);
  });

  it('is scraped gateway by gateway, and alerted about', () => {
    const { rule_files, scrape_configs } = parse(read('deploy/compose/prometheus.yml')) as {
      rule_files: string[];
      scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
    };
    const { expose = [] } = services['gateway-1'] ?? {};
    expect(rule_files).toEqual(['alerts.yml']);
    expect(scrape_configs.find(({ job_name }) => job_name === 'aegis')?.static_configs[0]?.targets).toEqual(
      GATEWAYS.map((name) => `${name}:${expose[1]}`),
    );
    const others = scrape_configs.filter(({ job_name }) => job_name !== 'aegis');
    for (const target of others.flatMap(({ static_configs }) => static_configs.flatMap(({ targets }) => targets))) {
      const [name = '', port = ''] = target.split(':');
      expect(services[name]?.expose).toContain(port);
    }
  });
});

describe('deploy/compose/haproxy.cfg', () => {
  const config = read('deploy/compose/haproxy.cfg');
  const production = read('config/production/gateway.yaml');

  it('knows the three gateways, by readiness', () => {
    expect(config.match(/^ {4}server (\S+) \1:8080$/gm)).toHaveLength(GATEWAYS.length);
    for (const name of GATEWAYS) expect(config).toContain(`server ${name} ${name}:8080`);
    expect(config).toContain('uri /aegis/v1/health/ready');
  });

  it('waits longer than the gateway does', () => {
    const deadline = secondsOf(findIn(production, /deadline: (\w+)/));
    for (const side of ['client', 'server']) {
      expect(secondsOf(findIn(config, new RegExp(`timeout ${side} (\\w+)`)))).toBeGreaterThan(deadline);
    }
  });

  it('notices that a gateway is told to stop while that still serves', () => {
    const [, every = '', times = ''] = /check inter (\w+) fall (\d+)/.exec(config) ?? [];
    const grace = secondsOf(findIn(production, /shutdown_grace: (\w+)/));
    expect(secondsOf(every) * Number(times) + secondsOf(every)).toBeLessThan(grace);
  });
});
