/** Longer secrets (keys, certificates) hold such letters by chance. */
const LONGEST_PLACEHOLDER = 256;

const WORDS = new RegExp(
  [
    'example',
    'placeholder',
    'change[-_]?me',
    'redacted',
    'dummy',
    'your[-_ ]',
    'your(?:api|key|token|secret|password)',
    'insert[-_ ]',
    'replace[-_ ]',
    '[-_]here$',
  ].join('|'),
  'i',
);

/** Templates that are filled in elsewhere: `${NAME}`, `$NAME`, `{{name}}`, `<name>`, `%s`, `{name}`, `$(name)`. */
const TEMPLATE = /^(?:\$\{?[A-Za-z_]|\$\(|\{\{|<|%[sdv]|\{[A-Za-z_][\w.]{0,60}\}$|%\([A-Za-z_]|%[A-Za-z_]{2,60}%$)/;

/** The same character over and over: `xxxxxx`, `000000`, `******`. */
const MONOTONE_RUN = 7;
/** In a longer text they must make up so much of it: a credential may begin or be padded with equal characters. */
const MONOTONE_SHARE = 0.2;

/** Passwords that stand in every tutorial's connection string. */
const TUTORIAL_PASSWORDS: ReadonlySet<string> = new Set(
  '... x password passwd pass pwd mypassword secret user username admin root guest test postgres mysql mongodb redis foo bar baz foobar qwerty tiger s3cret s3cr3t passw0rd p4ssw0rd p@ssw0rd letmein changeit hunter2 swordfish topsecret verysecret supersecret opensesame'.split(
    ' ',
  ),
);

/** `somepassword`, `db_password`, `mysecret1`: words for a password. */
const WORDS_FOR_PASSWORD =
  /^(?:(?:some|my|our|the|your|auth|db|user|admin|app|root|test|demo|foo|super|strong|very|database|redis|postgres|mysql|mongo)[-_]?){1,2}(?:password|passwd|pass|pwd|pw|secret)\d{0,3}$/i;

/** Whether a match only shows where a credential would stand. */
export function isPlaceholder(secret: string): boolean {
  if (secret.length > LONGEST_PLACEHOLDER) return false;
  return (
    WORDS.test(secret) ||
    TEMPLATE.test(secret) ||
    isMonotone(secret) ||
    TUTORIAL_PASSWORDS.has(secret.toLowerCase()) ||
    WORDS_FOR_PASSWORD.test(secret)
  );
}

function isMonotone(secret: string): boolean {
  const enough = Math.max(MONOTONE_RUN, MONOTONE_SHARE * secret.length);
  for (let start = 0, index = 1; index <= secret.length; index++) {
    if (index < secret.length && secret.charCodeAt(index) === secret.charCodeAt(start)) continue;
    if (index - start >= enough) return true;
    start = index;
  }
  return false;
}
