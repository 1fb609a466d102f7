import { isIPv6 } from 'node:net';

const ADDRESS = '[address]';
const CREDENTIAL = '[redacted]';
const MAX_MESSAGE_LENGTH = 1_000;
/** As much of a message as is looked at; what it becomes can be much shorter. */
const MAX_READ_LENGTH = 16_000;
const WORD_CHARACTER = /[\w.~:/+=%@*-]/;
const MAX_PARAM_LENGTH = 128;

/** Where providers explain their errors. A link to anywhere else may name a machine that nobody outside should know. */
const DOCUMENTATION_HOSTS: ReadonlySet<string> = new Set([
  'aka.ms',
  'console.anthropic.com',
  'console.groq.com',
  'developers.openai.com',
  'docs.anthropic.com',
  'docs.claude.com',
  'docs.mistral.ai',
  'docs.vllm.ai',
  'docs.x.ai',
  'errors.pydantic.dev',
  'go.microsoft.com',
  'help.openai.com',
  'learn.microsoft.com',
  'openai.com',
  'platform.claude.com',
  'platform.openai.com',
  'support.anthropic.com',
  'www.anthropic.com',
]);

const URL_LIKE = /\b[a-z][a-z\d+.-]{0,15}:\/\/[^\s"'<>`]+/gi;
const TRAILING_PUNCTUATION = /(?<![.,;:!?)\]}])[.,;:!?)\]}]+$/;
const IPV4 = /\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b/g;
const IPV6_LIKE = /\[[\da-f:.]{3,45}\](?::\d{1,5})?|(?<![\w.:])[\da-f:.]{3,45}(?!\w)/gi;
/** `vllm-0:8000`, `vllm.models:80`; a single word before a short number is more likely no host. */
const HOST_AND_PORT =
  /(?<![\w.-])(?:[a-z][\w-]{0,62}(?:\.[a-z\d][\w-]{0,62}){1,8}:\d{1,5}|[a-z][\w-]{0,62}:\d{4,5})\b/gi;
/** Names that only a private network knows, and those of a customer's own resources at a provider. */
const PRIVATE_HOST =
  /(?<![\w.-])(?:localhost|[a-z\d][\w-]{0,62}(?:\.[a-z\d][\w-]{0,62}){0,6}\.(?:internal|intranet|local|localdomain|localhost|lan|corp|home|private|svc|azure\.com|azure\.net|amazonaws\.com|windows\.net))\b/gi;

const CREDENTIALS: readonly RegExp[] = [
  // What OpenAI, Anthropic and those that imitate them give out, masked or not.
  /\b(?:sk|pk|rk|xai|gsk|key|pplx|nvapi|tvly|glpat|xox[a-z])-[\w*-]{4,}/g,
  /\b(?:sk|pk|rk)_[\w*]{8,}/g,
  /\b(?:gh[pousr]|github_pat|hf|npm|r8|fw)_[\w*]{8,}/g,
  /\b(?:AKIA|ASIA)[A-Z\d]{8,}/g,
  /\bAIza[\w*-]{8,}/g,
  /\beyJ[\w-]{8,}(?:\.[\w-]{0,4096}){0,2}/g,
  /\b(?:bearer|basic)\s+[\w.~+/=*-]{16,}/gi,
  /\b(?:api[-_ ]?key|authorization|credential|passw(?:or)?d|secret|token)["']?\s{0,4}[:=]\s{0,4}["']?[^\s"',;]{6,}/gi,
  // Keys without a mark of their own, like Azure's: long, unbroken, letters and digits.
  /\b(?=[a-z]*\d)(?=\d*[a-z])[a-z\d]{32,}/gi,
];

/** What a provider said to the caller → the same without addresses and credentials, and no longer than is of use. */
export function restateMessage(message: string): string {
  return cutBetweenWords(withoutSecrets(cutBetweenWords(message, MAX_READ_LENGTH)), MAX_MESSAGE_LENGTH);
}

/** Never in the middle of something whose beginning alone would not be recognised as secret. */
function cutBetweenWords(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  let end = maxLength;
  while (end > 0 && WORD_CHARACTER.test(text.charAt(end - 1))) end--;
  return `${text.slice(0, end)}…`;
}

/** A provider's type or code, where it is one; null where it is anything else. */
export function restateName(name: string | null): string | null {
  return name !== null && /^[\w.-]{1,64}$/.test(name) && withoutSecrets(name) === name ? name : null;
}

/** A provider's name for a field of the request, e.g. `messages[0].content`; null where it is anything else. */
export function restateParam(param: string | null): string | null {
  if (param === null || param.length > MAX_PARAM_LENGTH || !/^[\w.[\]-]+$/.test(param)) return null;
  return withoutSecrets(param) === param ? param : null;
}

function withoutSecrets(message: string): string {
  let text = message.replace(URL_LIKE, restateUrl);
  for (const credential of CREDENTIALS) text = text.replace(credential, CREDENTIAL);
  return text
    .replace(IPV4, ADDRESS)
    .replace(IPV6_LIKE, restateIpv6)
    .replace(PRIVATE_HOST, ADDRESS)
    .replace(HOST_AND_PORT, ADDRESS);
}

function restateIpv6(found: string): string {
  const address = /^\[(.*)\]/.exec(found)?.[1] ?? found.replace(/(?<!\.)\.+$/, '');
  return isIPv6(address) ? ADDRESS + (found.endsWith('.') ? '.' : '') : found;
}

function restateUrl(found: string): string {
  const url = found.replace(TRAILING_PUNCTUATION, '');
  if (!URL.canParse(url)) return ADDRESS;
  const { protocol, host, username, password } = new URL(url);
  const isDocumentation = protocol === 'https:' && username === '' && password === '' && DOCUMENTATION_HOSTS.has(host);
  return isDocumentation ? found : ADDRESS + found.slice(url.length);
}
