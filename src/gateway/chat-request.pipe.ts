import { Injectable, type PipeTransform } from '@nestjs/common';
import { Ajv, type ErrorObject } from 'ajv';
import type { ChatCompletionRequest } from '../domain/chat.js';
import { AegisError } from '../domain/errors.js';
import type { ReceivedRequest, RequestInContext } from '../request-context/request-in-context.js';
import { CHAT_REQUEST_SCHEMA, MAX_MESSAGES } from './chat-request.schema.js';
import type { JsonBody } from './json-body.parser.js';

/** Problems named in one message; more are counted. */
const MAX_REPORTED_PROBLEMS = 10;

/** Bodies up to this size are told everything that is wrong with them; of a larger one the first problem has to do. */
const MAX_BYTES_FOR_ALL_PROBLEMS = 32 * 1024;

const validate = new Ajv({ allowUnionTypes: true }).compile(CHAT_REQUEST_SCHEMA);
const validateThoroughly = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(CHAT_REQUEST_SCHEMA);

/** A JSON body → a chat request of the right shape, or `invalid_request` naming everything that is wrong with it. */
@Injectable()
export class ChatRequestPipe implements PipeTransform<ReceivedRequest<JsonBody | undefined>, RequestInContext> {
  transform({ body: parsed, context }: ReceivedRequest<JsonBody | undefined>): RequestInContext {
    if (!parsed) throw new AegisError('invalid_json', 'The body is empty; send a JSON object.');
    const { value, body } = parsed;
    // Checked apart from the schema: reporting every problem of a hundred thousand messages is work for an attacker.
    if (Array.isArray(value.messages) && value.messages.length > MAX_MESSAGES) {
      throw new AegisError('invalid_request', `messages: at most ${MAX_MESSAGES} are accepted.`, { param: 'messages' });
    }
    if (!validate(value)) throw describe(problemsOf(value, body.bytes.length));
    const chat = value as ChatCompletionRequest;
    context.requestedModel = chat.model;
    context.stream = chat.stream === true;
    return { chat, body, context };
  }
}

function problemsOf(value: unknown, byteCount: number): readonly ErrorObject[] {
  if (byteCount > MAX_BYTES_FOR_ALL_PROBLEMS) return validate.errors ?? [];
  validateThoroughly(value);
  return validateThoroughly.errors ?? [];
}

function describe(errors: readonly ErrorObject[]): AegisError {
  const problems = new Map<string, string>();
  for (const error of errors) {
    const path = toPath(error.instancePath, error);
    // Branches of an `anyOf` are summed up in one line: which branch was meant is a guess.
    const known = problems.get(path);
    const text = explain(error);
    if (text === '') continue;
    problems.set(path, known && known !== text ? `${known} or ${text}` : text);
  }
  const lines = [...problems].map(([path, text]) => `${path} ${text}`);
  const shown = lines.slice(0, MAX_REPORTED_PROBLEMS).join('; ');
  const more =
    lines.length > MAX_REPORTED_PROBLEMS ? `; and ${lines.length - MAX_REPORTED_PROBLEMS} more problems` : '';
  return new AegisError('invalid_request', `${shown}${more}.`, { param: problems.keys().next().value ?? null });
}

function explain(error: ErrorObject): string {
  switch (error.keyword) {
    case 'anyOf':
      return '';
    case 'required':
      return 'is missing';
    case 'type':
      return `must be ${error.params.type === 'null' ? 'null' : `of type ${String(error.params.type)}`}`;
    case 'enum':
      return `must be one of ${(error.params.allowedValues as string[]).join(', ')}`;
    case 'minLength':
      return 'must not be empty';
    case 'maxLength':
      return `must not be longer than ${String(error.params.limit)} characters`;
    default:
      return error.message ?? 'is not valid';
  }
}

/** `/messages/0/role` → `messages[0].role`, the way a client writes it. */
function toPath(pointer: string, error: ErrorObject): string {
  const steps = pointer.split('/').slice(1);
  if (error.keyword === 'required') steps.push(String(error.params.missingProperty));
  const path = steps.map((step) => (/^\d+$/.test(step) ? `[${step}]` : `.${step}`)).join('');
  return path.replace(/^\./, '') || 'body';
}
