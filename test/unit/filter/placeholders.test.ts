import { isPlaceholder } from '../../../src/filter/engine/placeholders.js';

describe('a placeholder', () => {
  it.each([
    `AK${'IA'}IOSFODNN7EXAMPLE`,
    'your-key-here',
    'your_api_key',
    'sk_live_xxxxxxxxxxxxxxxxxxxxxxxx',
    '000000000000',
    '********',
    '\u0024{TOKEN}',
    '$TOKEN',
    '$(cat token)',
    '{{ token }}',
    '{token}',
    '<token>',
    '%s',
    '%(token)s',
    '%NUGET_PASSWORD%',
    'changeme',
    'change-me',
    'password',
    'somepassword',
    'db_password',
    'mysecret1',
    'authpassword',
    'qwerty',
    'insert-token',
  ])('%s shows only where a credential would stand', (text) => {
    expect(isPlaceholder(text)).toBe(true);
  });

  it.each([
    'Tr0ub4dor&3',
    'x8Kq2vN7tR4mZ1',
    'passwords-are-7-dull',
    'secretariat9',
    `key-${'A'.repeat(8)}${'x8Kq2vN7tR4mZ1b5C9d0'.repeat(4)}`,
    `${'x'.repeat(10)}${'x8Kq2vN7tR4mZ1b5C9d0'.repeat(20)}`,
  ])('%s could be one', (text) => {
    expect(isPlaceholder(text)).toBe(false);
  });
});
