/**
 * What stands around a credential where people and programs write it. Each takes the credential as `{before, secret,
 * after}` and a label, and says the text and where in it the secret lies.
 */
const plain = (text) => text;
const inJson = (text) => JSON.stringify(text).slice(1, -1);

/** `encode` is applied to the credential; the pieces around are taken as they are. */
const around =
  (beginning, ending, encode = plain) =>
  (credential, label) => {
    const said = label === null ? '' : `${label}: `;
    const start = said.length + beginning.length + encode(credential.before).length;
    const secret = encode(credential.secret);
    const text = said + beginning + encode(credential.before) + secret + encode(credential.after) + ending;
    return { text, start, end: start + secret.length };
  };

/** Where a name stands, the label is the name. */
const named =
  (beginning, middle, ending, encode = plain) =>
  (credential, label) =>
    around(`${beginning}${label ?? 'token'}${middle}`, ending, encode)(credential, null);

export const WRAPPINGS = Object.entries({
  alone: around('', ''),
  sentence: named('my ', ' is ', '. please fix the login'),
  question: around('why does ', ' not work? I copied it from the console'),
  exclamation: around('use ', '!'),
  parentheses: around('the key (', ') is in the vault'),
  brackets: around('[', ']'),
  braces: around('{', '}'),
  backticks: around('set it to `', '` and restart'),
  bold: around('**', '**'),
  italics: around('_', '_ is what I use'),
  'angle brackets': around('<', '>'),
  comma: around('keys: ', ', and more'),
  semicolon: around('', '; next'),
  'double quotes': named('', ' = "', '"'),
  'single quotes': named('const ', " = '", "';"),
  'curly quotes': around('“', '”'),
  guillemets: around('«', '»'),
  'form data': around('user=ada&key=', '&other=1'),
  'query string': around('https://api.acme.test/?token=', ''),
  'query string, more': around('see https://api.acme.test/v1?token=', '&page=2 for it'),
  bearer: around('Authorization: Bearer ', ''),
  'curl header': around('curl -H "X-Api-Key: ', '" https://api.acme.test'),
  'json member': named('{"', '": "', '", "other": 1}', inJson),
  'json list': around('["a","', '"]', inJson),
  yaml: named('service:\n  ', ': ', '\n  port: 80\n'),
  'environment line': named('DEBUG=1\n', '=', '\nPORT=80\n'),
  'shell export': named('export ', '="', '"'),
  'command option': around('deploy --token=', ' --yes'),
  'markdown link': around('[the link](https://acme.test/', ')'),
  'markdown table': around('| key | ', ' | prod |'),
  'code fence': named('```js\nconst key = "', '";\nlet other = "', '";\n```'),
  'end of text': around('the password is ', ''),
  'followed by newline': around('here:\n', '\nthanks'),
  'followed by blank lines': around('', '\n\n\n'),
  'trailing greater-than': around('token=', '>'),
  'trailing ampersand': around('token=', '&'),
  ellipsis: around('it is ', '…'),
  'three dots': around('it is ', '...'),
  chinese: around('我的密钥是', '请帮我看看'),
  japanese: around('キーは', 'です。'),
  korean: around('키는', '입니다'),
  possessive: around('', "'s owner left"),
  'typographic possessive': around('', '’s owner left'),
  'colon without blank': around('key:', ''),
  'assignment without blank': named('', ':=', ''),
  'html tag': named('<', '>', '</token>'),
  slash: around('either ', ' / none'),
  tab: around('ada\t', '\t2024-01-01'),
  csv: around('ada,', ',admin'),
  'log line': around('2026-01-01T00:00:00Z ERROR refused key=', ' status=401'),
  'em dash': around('the key—', '—expired'),
  emoji: around('🔑', '🔒'),
  'windows line': around('key=', '\r\nnext=1'),
  'escaped newline': around('key:\\n', '\\nnext'),
  comment: around('// TODO remove ', ' */'),
}).map(([name, wrap]) => ({ name, wrap }));
