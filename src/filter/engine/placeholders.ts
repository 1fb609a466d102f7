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
const TEMPLATE = /^(?:\$\{?[A-Za-z_]|\$\(|\{\{|<|%[sdv]|\{[A-Za-z_][\w.]{0,60}\}$|%\([A-Za-z_])/;

/** The same character over and over: `xxxxxx`, `000000`, `******`. */
const MONOTONE = /(.)\1{6}/;

/** Passwords that stand in every tutorial's connection string. */
const TUTORIAL_PASSWORDS: ReadonlySet<string> = new Set(
  '... x password passwd pass pwd mypassword secret user username admin root guest test postgres mysql mongodb redis'.split(
    ' ',
  ),
);

/** Whether a match only shows where a credential would stand. */
export function isPlaceholder(secret: string): boolean {
  if (secret.length > LONGEST_PLACEHOLDER) return false;
  return (
    WORDS.test(secret) || TEMPLATE.test(secret) || MONOTONE.test(secret) || TUTORIAL_PASSWORDS.has(secret.toLowerCase())
  );
}
