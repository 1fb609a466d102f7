import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { findShared } from './recordings.js';

const SCHEMA_ID = 'openai';

/** Validators of OpenAI's published schema. */
export interface OpenAiSchema {
  /** What is wrong with a chat completion; empty where nothing is. */
  checkCompletion(value: unknown): string[];
  /** What is wrong with a chunk; empty where nothing is. */
  checkChunk(value: unknown): string[];
}

/** Null where the shared schema is absent. */
export function loadOpenAiSchema(): OpenAiSchema | null {
  const folder = findShared('openai-schema');
  if (folder === null) return null;
  const document = JSON.parse(readFileSync(join(folder, 'openai.schema.json'), 'utf8')) as Record<string, unknown>;
  // The schema is a description of an API: it has keywords and formats of its own, which say nothing of validity.
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema({ ...document, $id: SCHEMA_ID });
  const compile = (name: string): ValidateFunction => ajv.compile({ $ref: `${SCHEMA_ID}#/components/schemas/${name}` });
  const completion = compile('CreateChatCompletionResponse');
  const chunk = compile('CreateChatCompletionStreamResponse');
  return {
    checkCompletion: (value) => check(completion, value),
    checkChunk: (value) => check(chunk, value),
  };
}

function check(validate: ValidateFunction, value: unknown): string[] {
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath || '/'} ${message ?? ''}`);
}
