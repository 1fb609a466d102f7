/** No error that says something is longer. */
const MAX_MESSAGE_CHARACTERS = 500;
const WITHHELD = '(withheld: it quotes what was read)';
/** V8 quotes the text that a property was looked for on. */
const QUOTED_STRING = /(on string|of string) '[\s\S]*'/;

export interface ErrorDescription {
  readonly type?: string;
  readonly message: string;
  readonly code?: unknown;
  readonly stack?: string | undefined;
  readonly cause?: ErrorDescription;
}

/**
 * An error as the log shows it: type, message, code, stack, and the same of its cause. Its other fields stay out:
 * libraries hang requests, headers and query parameters there. So does what the engine itself quotes in a message.
 */
export function describeError(error: unknown): ErrorDescription {
  if (!(error instanceof Error)) return { message: String(error).slice(0, MAX_MESSAGE_CHARACTERS) };
  const message = withoutQuotations(error);
  return {
    type: error.name,
    message,
    ...('code' in error && { code: error.code }),
    stack: framesOf(error),
    ...(error.cause !== undefined && { cause: describeError(error.cause) }),
  };
}

function withoutQuotations(error: Error): string {
  // JSON.parse shows the text around what it cannot read.
  if (error instanceof SyntaxError || error.name === 'SyntaxError') return WITHHELD;
  const message = error.message.replace(QUOTED_STRING, `$1 ${WITHHELD}`);
  return message.length > MAX_MESSAGE_CHARACTERS ? `${message.slice(0, MAX_MESSAGE_CHARACTERS)}…` : message;
}

/** Where it was thrown; the message stands above it already, and in it again. */
function framesOf({ stack }: Error): string | undefined {
  const frames = stack?.split('\n').filter((line) => /^\s+at /.test(line));
  return frames && frames.length > 0 ? frames.map((frame) => frame.trim()).join('\n') : undefined;
}
