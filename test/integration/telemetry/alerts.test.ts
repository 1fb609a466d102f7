import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import { describeWithPrometheus, runPromtool } from '../../support/prometheus.js';

const FOLDER = path.join(process.cwd(), 'deploy', 'prometheus');
const read = (file: string): string => readFileSync(path.join(FOLDER, file), 'utf8');

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert?: string }[] }[];
}
interface Cases {
  readonly tests: readonly {
    readonly name: string;
    readonly promql_expr_test: readonly { readonly exp_samples: readonly { readonly labels: string }[] }[];
  }[];
}

describeWithPrometheus('the alert rules', () => {
  it('are rules, and the configuration that loads them is one', () => {
    expect(runPromtool('check', 'rules', path.join(FOLDER, 'alerts.yml'))).toMatch(/SUCCESS/);
    expect(runPromtool('check', 'config', path.join(FOLDER, 'prometheus.yml'))).toMatch(/SUCCESS/);
  });

  it('fire when they should, and not before', () => {
    expect(runPromtool('test', 'rules', path.join(FOLDER, 'alerts.test.yml'))).toMatch(/SUCCESS/);
  }, 60_000);

  it('are each made to fire by a case', () => {
    const { groups } = parse(read('alerts.yml')) as Rules;
    const { tests } = parse(read('alerts.test.yml')) as Cases;
    const alerts = groups.flatMap(({ rules }) => rules.flatMap(({ alert }) => alert ?? []));
    const fired = tests.flatMap((test) =>
      test.promql_expr_test.flatMap(({ exp_samples }) => exp_samples.map(({ labels }) => labels)),
    );
    expect(alerts.filter((alert) => !fired.some((labels) => labels.startsWith(`{alertname="${alert}"`)))).toEqual([]);
  });

  it('are really tried: a threshold that is moved is noticed', async () => {
    const cases = parse(read('alerts.test.yml')) as Cases;
    const few = { ...cases, tests: cases.tests.filter(({ name }) => name.includes('errors of cause gateway')) };
    const folder = await mkdtemp(path.join(tmpdir(), 'aegis-alerts-'));
    const tryWith = (rules: string): string => {
      writeFileSync(path.join(folder, 'alerts.yml'), rules);
      return runPromtool('test', 'rules', path.join(folder, 'few.yml'));
    };
    try {
      writeFileSync(path.join(folder, 'few.yml'), stringify(few));
      expect(tryWith(read('alerts.yml'))).toMatch(/SUCCESS/);
      expect(() => tryWith(read('alerts.yml').replace('> 0.01', '> 0.9'))).toThrow(/AegisGatewayErrors/);
      expect(() => tryWith(read('alerts.yml').replace('> 0.01', '> 0'))).toThrow(/AegisGatewayErrors/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
