import { detectAll } from '../../../src/filter/detectors/text-detector.js';
import { detector, SECRETS } from './support.js';

const found = (text: string): string[] => detectAll(detector, text).map(({ rule }) => rule);

describe('the shipped rules', () => {
  it.each([
    [
      'documented ids of AWS',
      'aws_access_key_id = AKIAIOSFODNN7EXAMPLE, or AKIAI44QH8DHBEXAMPLE, or ASIAIOSFODNN7EXAMPLE',
    ],
    ['the documented secret of AWS', 'aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'],
    ["documented test keys of Stripe's", `stripe.api_key = "sk${'_test_'}4eC39HqLyjWDarjtT1zdp7dc"`],
    ['a placeholder of Stripe', `const stripe = require('stripe')('sk${'_test_'}xxxxxxxxxxxxxxxxxxxxxxxx');`],
    [
      'the token of jwt.io',
      `eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fw${'p'}MeJf36POk6yJV_adQssw5c`,
    ],
    ['words for a key', 'OPENAI_API_KEY=your-key-here\nGITHUB_TOKEN=your_github_token\nKEY=<YOUR_API_KEY>'],
    [
      'crosses for a key',
      'ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx and sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
    ],
    ['dots for a key', 'export ANTHROPIC_API_KEY=sk-ant-api03-... and OPENAI_API_KEY="sk-..."'],
    ['variables', 'password: \u0024{DB_PASSWORD}, token=$TOKEN, api_key: {{ api_key }}, secret = process.env.SECRET_2'],
    ['a header with a variable', 'curl -H "Authorization: Bearer $TOKEN" -u "$USER:$PASSWORD" https://api.acme.test'],
    [
      'a connection string of a tutorial',
      'postgres://user:password@localhost:5432/db and redis://:somepassword@127.0.0.1',
    ],
    ['an opening line without a key', '-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----'],
    [
      'digests',
      'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= of commit da39a3ee5e6b4b0d3255bfef95601890afd80709',
    ],
    [
      'ids',
      'order 57cbfade-a5eb-44a3-8243-4e26ddd96808 of account 123456789012, trace 4bf92f3577b34da6a3ce929d0e0e4736',
    ],
    ['code', 'const apiKey = getApiKeyFromEnvironment2(config.credentials.primaryApiKey1);'],
    [
      'prose about keys',
      'The API key is a secret of 40 characters; the password is required, and the token is optional.',
    ],
  ])('find nothing in %s', (_, text) => {
    expect(found(text)).toEqual([]);
  });

  it.each(Object.entries(SECRETS).filter(([name]) => name !== 'awsSecret'))(
    'find %s on its own, so that the test above can fail',
    (_, text) => {
      expect(found(text)).not.toEqual([]);
    },
  );
});
