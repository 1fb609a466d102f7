import { isObject } from '../../domain/json.js';
import type { StatedFault } from './upstream-faults.js';

const NOTHING: StatedFault = { message: null, type: null, code: null, param: null };

/** What a plain text is taken for words of: anything longer is no sentence. */
const MAX_PLAIN_TEXT_LENGTH = 2_000;
const MAX_FILTER_NAMES = 12;

/**
 * Reads the error bodies of everything that speaks OpenAI's format, and of what stands in front of it: OpenAI, Azure
 * (`innererror`), vLLM (flat, numeric codes), FastAPI (`detail`), Mistral (`detail` within `message`), text-generation
 * servers (`error` as a text or a list), a bare text. HTML and empty bodies say nothing.
 */
export function readErrorBody(body: Buffer): StatedFault {
  const text = body.toString('utf8').trim();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return isPlainText(text) ? { ...NOTHING, message: text } : NOTHING;
  }
  const root: unknown = Array.isArray(value) ? value[0] : value;
  if (typeof root === 'string') return { ...NOTHING, message: root || null };
  if (!isObject(root)) return NOTHING;
  return readErrorObject(root);
}

/** The same for a body that is already parsed. */
export function readErrorObject(root: Record<string, unknown>): StatedFault {
  const { error } = root;
  if (isObject(error)) return readErrorMember(error);
  if (typeof error === 'string' || Array.isArray(error)) {
    const message = findWord(error) ?? joinWords(error);
    return { ...NOTHING, message: message ?? findWord(root.message), type: findWord(root.error_type) };
  }
  const [first] = Array.isArray(root.errors) ? (root.errors as unknown[]) : [];
  if (isObject(first)) return readErrorMember(first);
  if (root.detail !== undefined) return readDetail(root.detail);
  if (isObject(root.message) && root.message.detail !== undefined) {
    return { ...readDetail(root.message.detail), type: findWord(root.type), code: findWord(root.code) };
  }
  return {
    message: findWord(root.message) ?? findWord(root.title),
    type: findWord(root.type),
    code: findWord(root.code),
    param: findWord(root.param),
  };
}

function readErrorMember(error: Record<string, unknown>): StatedFault {
  const inner = isObject(error.innererror) ? error.innererror : undefined;
  const isFiltered = inner !== undefined && findWord(inner.code) === 'ResponsibleAIPolicyViolation';
  const message = findWord(error.message);
  const filters = isFiltered ? namesOfFilters(inner.content_filter_result) : '';
  return {
    message: message !== null && filters !== '' ? `${message} Filtered by: ${filters}.` : message,
    type: findWord(error.type),
    code: isFiltered ? 'content_filter' : findWord(error.code),
    param: findWord(error.param),
  };
}

/** Which of Azure's filters refused a prompt: their names are Azure's own, and tell the caller what to change. */
function namesOfFilters(results: unknown): string {
  if (!isObject(results)) return '';
  return Object.entries(results)
    .filter(([name, result]) => /^[a-z_]{1,40}$/.test(name) && isObject(result) && result.filtered === true)
    .map(([name]) => name)
    .slice(0, MAX_FILTER_NAMES)
    .join(', ');
}

function isPlainText(text: string): boolean {
  return text !== '' && text.length <= MAX_PLAIN_TEXT_LENGTH && !/^[<{["\d]|[\0\uFFFD]/.test(text);
}

function joinWords(words: unknown): string | null {
  if (!Array.isArray(words)) return null;
  return words.map(findWord).filter(Boolean).join('; ') || null;
}

/** FastAPI's `detail`: a text, or one entry for each field that is at fault. */
function readDetail(detail: unknown): StatedFault {
  if (typeof detail === 'string') return { ...NOTHING, message: detail };
  if (!Array.isArray(detail)) return isObject(detail) ? readErrorObject({ ...detail, detail: undefined }) : NOTHING;
  const problems = detail.filter(isObject);
  const places = problems.map(({ loc }) => (Array.isArray(loc) ? loc.filter((part) => part !== 'body').join('.') : ''));
  const messages = problems.map(({ msg }, index) => [places[index], findWord(msg)].filter(Boolean).join(': '));
  return { ...NOTHING, message: messages.join('; ') || null, param: places[0] || null };
}

function findWord(value: unknown): string | null {
  if (typeof value === 'string' && value !== '') return value;
  return typeof value === 'number' ? String(value) : null;
}
