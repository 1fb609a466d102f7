/**
 * What each control costs: a gateway with everything on and one with that control off, turn by turn. Keys, levels of
 * data, usage records and metrics cannot be switched off: they are in every figure.
 */
import { getCase } from './cases.mjs';
import { compare } from './compare.mjs';
import { startGateway } from './gateways.mjs';

const noSecrets = (direction) => ({
  filters: { overrides: [{ rules: ['filter:secrets'], direction, action: 'off' }] },
});

const CONTROLS = [
  { control: 'limits', without: { limits: false } },
  { control: 'limits in Redis instead of in process', without: { redis: false } },
  { control: 'secrets in requests', without: { changes: noSecrets('request') } },
  { control: 'secrets in answers', without: { changes: noSecrets('response') }, cases: ['json-1', 'relayed'] },
  { control: 'prompt injection', without: { changes: { filters: { prompt_injection: { enabled: false } } } } },
  { control: 'terms', without: { changes: { filters: { terms: { enabled: false } } } } },
  { control: 'audit', without: { changes: { audit: { enabled: false } } } },
  { control: 'log lines', without: { changes: { telemetry: { log_level: 'silent' } } } },
  {
    control: 'all of these',
    without: {
      limits: false,
      changes: {
        filters: { secrets: { enabled: false }, prompt_injection: { enabled: false }, terms: { enabled: false } },
        audit: { enabled: false },
        telemetry: { log_level: 'silent' },
      },
    },
    cases: ['json-1', 'relayed'],
  },
];

export async function measureControls(bench, { rounds, note }) {
  const hasRedis = bench.stores.redisUrl !== null;
  const on = { name: 'on', label: 'everything on', redis: hasRedis };
  const results = [];
  for (const { control, without, cases = ['json-1'] } of CONTROLS) {
    if (!hasRedis && without.redis !== undefined) continue;
    const off = { name: 'off', label: `without ${control}`, redis: hasRedis, ...without };
    // Both begin anew: one that has served for long is better compiled than one that has not.
    const starters = [() => startGateway(bench, off), () => startGateway(bench, on)];
    await bench.during(starters, async (gateways) => {
      for (const one of cases.map(getCase)) {
        const { subjects, unit } = await compare(bench, gateways, one, { rounds });
        const [less, all] = subjects;
        results.push({
          control,
          case: one.id,
          label: one.label,
          unit,
          microseconds: all.microseconds.median - less.microseconds.median,
          ratio: all.ratios.off,
        });
      }
    });
    note(`without ${control}: measured`);
  }
  return results;
}
