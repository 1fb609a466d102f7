import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rulesIn, sharedCases } from './support.js';

interface LabelledCase {
  readonly id: string;
  readonly expect: readonly string[];
  readonly kind: 'positive' | 'negative';
  readonly text_base64: string;
}

/**
 * Vendors the shipped rules cover, as the corpora name their rules. Left out are their cases that are no credentials
 * (ids, public keys) and bodies of random characters no token of that vendor has.
 */
const COVERED =
  /^(?:1password-|age-|anthropic|aws-access|aws-amazon|brevo|buildkite|circleci|clojars|cloudflare|databricks-|digitalocean|dockerhub|doppler-api|dynatrace|figma-|gcp-api|gcp-gemini|github|gitlab-(?!session)|grafana-(?:cloud|service)|groq|hashicorp-tf-api|heroku|hubspot|huggingface|langchain|linear-api|mailchimp|mailgun-(?:private|signing)|mongodb|new-relic-(?:user-api-key|browser|insert)|notion|npm|nvidia|okta|openai|openrouter|openshift|perplexity|plaid-api|planetscale|postgres|postman|private-?key|pulumi|pypi|replicate|rubygems|sendinblue|sentry-(?:org|user)|shopify|slack|sonar|sourcegraph|stripe|telegram|twilio|vault|xai)/;

/** Measured; a change of the rules that loses cases has to say why. */
const FLOORS: Readonly<Record<string, number>> = {
  'betterleaks-rule-cases.jsonl': 0.94,
  'detect-secrets-tests.jsonl': 0.8,
  'gitleaks-rule-cases.jsonl': 0.95,
  'secretlint-snapshots.jsonl': 0.9,
};

(sharedCases ? describe : describe.skip)("other scanners' labelled texts", () => {
  it.each(Object.entries(FLOORS))('%s: at least %d of the covered vendors are found', (file, floor) => {
    const cases = readFileSync(join(sharedCases ?? '', file), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as LabelledCase);
    const found = new Map<string, { all: number; hits: number }>();
    let noise = 0;
    let negatives = 0;
    for (const each of cases) {
      const hit = rulesIn(Buffer.from(each.text_base64, 'base64').toString()).length > 0;
      if (each.kind === 'negative') {
        negatives++;
        if (hit) noise++;
        continue;
      }
      const label = each.expect[0] ?? '';
      if (!COVERED.test(label)) continue;
      const count = found.get(label) ?? { all: 0, hits: 0 };
      found.set(label, { all: count.all + 1, hits: count.hits + (hit ? 1 : 0) });
    }
    const all = [...found.values()].reduce((sum, count) => sum + count.all, 0);
    const hits = [...found.values()].reduce((sum, count) => sum + count.hits, 0);
    const missed = [...found].filter(([, count]) => count.hits < count.all);
    console.info(
      `${file}: ${hits} of ${all} found; of ${negatives} near misses ${noise} too`,
      missed.map(([label, count]) => `${label} ${count.hits}/${count.all}`).join(', '),
    );
    expect(hits / all).toBeGreaterThanOrEqual(floor);
  });
});
