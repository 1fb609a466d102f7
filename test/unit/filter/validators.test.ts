import { VALIDATORS } from '../../../src/filter/engine/validators.js';

function judge(name: string, secret: string): string {
  const validator = VALIDATORS.get(name);
  if (!validator) throw new Error(`there is no validator ${name}`);
  return validator(secret);
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('the validators', () => {
  it.each([
    ['random-case', 'yWHpDnPdoLIYpr1Xh+IazTMFIE3u/wPFK6tjQj9R', 'plausible'],
    ['random-case', 'GoogleCloudGkemulticloudV1AwsProxyConfig', 'refuted'],
    ['random-case', 'ad2dc2df1c8e1c1f70a5beb00b74dba00f38d7ef', 'plausible'],
    ['basic-credentials', base64('robot:x8Kq2vN7'), 'plausible'],
    ['basic-credentials', base64('user:password'), 'refuted'],
    ['basic-credentials', base64('no colon in here'), 'refuted'],
    ['basic-credentials', 'OAuth2AuthorizationCode', 'refuted'],
    ['base64-text', base64('hunter2-and-more'), 'plausible'],
    ['base64-text', 'ServiceAccountToken', 'refuted'],
    ['base64-text', 'AAECAwQFBgcICQoL', 'refuted'],
    ['random-run', 'x8Kq2vN7tR4mZ1', 'plausible'],
    ['random-run', '57cbfade-a5eb-64a3-7243-4e26ddd96808', 'plausible'],
    ['random-run', 'process.env.ACME_API_KEY_2', 'refuted'],
    ['random-run', 'getElementsByClassName', 'refuted'],
    ['password', 'x8Kq2!vN7', 'plausible'],
    ['password', 'config.database.password', 'refuted'],
    ['password', 'DB_PASSWORD_2', 'refuted'],
    ['password', 'required', 'refuted'],
    ['password', 'https://acme.test/reset1', 'refuted'],
    ['password', '2024-01-01', 'refuted'],
    ['mixed-case-and-digits', 'aB1', 'plausible'],
    ['mixed-case-and-digits', 'ab1', 'refuted'],
    ['openai-mark', `a${'T3Blbk'}FJb`, 'plausible'],
    ['openai-mark', 'ab', 'refuted'],
    ['jwt', `${base64('{"alg":"HS256"}')}.e30.x`, 'plausible'],
    ['jwt', `${base64('{"kid":1}')}.e30.x`, 'refuted'],
  ])('%s: %s is %s', (name, secret, verdict) => {
    expect(judge(name, secret)).toBe(verdict);
  });

  it('prove a checksum, and hold nothing against a token without one', () => {
    expect(judge('github-checksum', `gh${'p_'}${'0'.repeat(30)}1ODcou`)).toBe('plausible');
    expect(judge('github-checksum', `gh${'p_'}eiUJ25XLpPR0G43sFC0YjP9RyfS9sULWccpt`)).toBe('plausible');
  });
});
