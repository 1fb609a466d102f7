import { isObject } from '../../domain/json.js';
import type { StatedFault } from './upstream-faults.js';

const NOTHING: StatedFault = { message: null, type: null, code: null, param: null };

/**
 * Reads the error bodies of everything that speaks OpenAI's format, and of what stands in front of it: OpenAI, Azure
 * (`innererror`), vLLM (flat, numeric codes), FastAPI (`detail`), a bare text. HTML and empty bodies say nothing.
 */
export function readErrorBody(body: Buffer): StatedFault {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return NOTHING;
  }
  const root: unknown = Array.isArray(value) ? value[0] : value;
  if (!isObject(root)) return NOTHING;
  return readErrorObject(root);
}

/** The same for a body that is already parsed. */
export function readErrorObject(root: Record<string, unknown>): StatedFault {
  const { error } = root;
  if (typeof error === 'string') return { ...NOTHING, message: error };
  if (isObject(error)) {
    const inner = isObject(error.innererror) ? error.innererror : undefined;
    const innerCode = inner && findWord(inner.code);
    return {
      message: findWord(error.message),
      type: findWord(error.type),
      code: innerCode === 'ResponsibleAIPolicyViolation' ? 'content_filter' : findWord(error.code),
      param: findWord(error.param),
    };
  }
  if (root.detail !== undefined) return readDetail(root.detail);
  return {
    message: findWord(root.message),
    type: findWord(root.type),
    code: findWord(root.code),
    param: findWord(root.param),
  };
}

/** FastAPI's `detail`: a text, or one entry for each field that is at fault. */
function readDetail(detail: unknown): StatedFault {
  if (typeof detail === 'string') return { ...NOTHING, message: detail };
  if (!Array.isArray(detail)) return isObject(detail) ? { ...NOTHING, message: findWord(detail.message) } : NOTHING;
  const problems = detail.filter(isObject);
  const places = problems.map(({ loc }) => (Array.isArray(loc) ? loc.filter((part) => part !== 'body').join('.') : ''));
  const messages = problems.map(({ msg }, index) => [places[index], findWord(msg)].filter(Boolean).join(': '));
  return { ...NOTHING, message: messages.join('; ') || null, param: places[0] || null };
}

function findWord(value: unknown): string | null {
  if (typeof value === 'string' && value !== '') return value;
  return typeof value === 'number' ? String(value) : null;
}
