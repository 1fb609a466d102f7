import { classOf, type ExpectedError, restates } from './conformance-errors.js';
import { ANY_FINISH, type ExpectedUsage, findCount, isSame, LEGAL_FINISHES } from './conformance-expectation.js';
import { type RawAnswer, readStream, withoutTime } from './conformance-output.js';
import { readRecorded } from './conformance-reading.js';
import { meaningOf, type ToldChoice } from './conformance-told.js';

/** What differs between what a client got and what it has to get; each function answers with reasons, none where all is well. */

export function toldByStream(chunks: readonly unknown[]): readonly ToldChoice[] {
  const events = chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`);
  return readRecorded('chat.completions', true, events.join('')).choices;
}

export function toldByCompletion(completion: unknown): readonly ToldChoice[] {
  return readRecorded('chat.completions', false, JSON.stringify(completion)).choices;
}

export function compareChoices(actual: readonly ToldChoice[], expected: readonly ToldChoice[]): string[] {
  const problems: string[] = [];
  if (actual.length !== expected.length) problems.push(`${actual.length} choices, expected ${expected.length}`);
  expected.forEach((choice, position) => {
    const told = actual[position];
    if (!told) return;
    for (const key of Object.keys(choice) as (keyof ToldChoice)[]) {
      if (key === 'finish' && choice.finish === ANY_FINISH && LEGAL_FINISHES.includes(told.finish ?? '')) continue;
      if (isSame(told[key], choice[key])) continue;
      const [actualWords, expectedWords] = whereTheyPart(told[key], choice[key]);
      problems.push(`choice ${choice.index}: ${key} is ${actualWords}, expected ${expectedWords}`);
    }
  });
  return problems;
}

/** @param actual null where no usage was told */
export function compareUsage(actual: unknown, expected: ExpectedUsage | null): string[] {
  if (!expected) return actual === null ? [] : [`usage is ${brief(actual)}, expected none`];
  return Object.entries(expected).flatMap(([path, count]) => {
    const told = findCount(actual, path);
    return told === count ? [] : [`usage.${path} is ${told ?? 'absent'}, expected ${count}`];
  });
}

/** An answer over bare HTTP that has to be an error, or a stream that has to end with one. */
export function compareError(answer: RawAnswer, expected: ExpectedError, requestId: string): string[] {
  if (answer.status === 200) {
    const { error, faults } = readStream(answer);
    return error
      ? [...faults, ...compareEnvelope(error, expected, requestId)]
      : [...faults, 'a clean end where an error is expected'];
  }
  const problems = answer.status === expected.status ? [] : [`status ${answer.status}, expected ${expected.status}`];
  const { error = {} } = meaningOf(answer.text) as { error?: Record<string, unknown> };
  return [...problems, ...compareEnvelope(error, expected, requestId)];
}

function compareEnvelope(
  error: Readonly<Record<string, unknown>>,
  expected: ExpectedError,
  requestId: string,
): string[] {
  const { type, code, request_id: namedId } = error;
  const message = typeof error.message === 'string' ? error.message : '';
  const problems: string[] = [];
  if (message === '') problems.push('an error without a message');
  if (type !== expected.type) problems.push(`error type is ${type}, expected ${expected.type}`);
  if (code !== expected.code) problems.push(`error code is ${code}, expected ${expected.code}`);
  if (namedId !== requestId) problems.push('the error does not name the request');
  if (expected.words !== null && !restates(message, expected.words)) {
    problems.push(`error message is ${brief(message)}, expected ${brief(expected.words)}`);
  }
  if (expected.secretWords && message.includes(expected.secretWords)) {
    problems.push("the provider's own words are told, and they are not for the caller");
  }
  return problems;
}

/** What the official SDK throws. Inside a stream it knows of no status. */
export function compareThrown(
  thrown: { readonly status?: number | undefined; readonly type?: unknown; readonly code?: unknown } & object,
  expected: ExpectedError,
): string[] {
  const { status, type = null, code = null } = thrown;
  const problems: string[] = [];
  if (status !== undefined) {
    const { name } = thrown.constructor;
    if (status !== expected.status) problems.push(`status ${status}, expected ${expected.status}`);
    if (name !== classOf(expected.status)) problems.push(`${name}, expected ${classOf(expected.status)}`);
    if (!('requestID' in thrown && thrown.requestID)) problems.push('no request id');
  }
  if (type !== expected.type) problems.push(`type is ${type}, expected ${expected.type}`);
  if (code !== expected.code) problems.push(`code is ${code}, expected ${expected.code}`);
  return problems;
}

/** Two answers to the same words sent otherwise; `byteForByte` false: each event only has to mean the same. */
export function compareAnswers(answer: RawAnswer, baseline: RawAnswer, byteForByte: boolean): string[] {
  if (answer.status !== baseline.status) return [`status ${answer.status} instead of ${baseline.status}`];
  if (answer.clean !== baseline.clean) return [answer.clean ? 'a clean end' : 'the connection breaks'];
  const expected = withoutTime(baseline.text);
  const actual = withoutTime(answer.text);
  if (actual === expected) return [];
  if (!byteForByte && isSame(meaningsOf(actual), meaningsOf(expected))) return [...readStream(answer).faults];
  let from = 0;
  while (actual[from] === expected[from]) from++;
  return [`other output from character ${from} on: ${brief(actual.slice(Math.max(0, from - 20), from + 60))}`];
}

function meaningsOf(text: string): unknown[] {
  return text.split('\n\n').map((event) => meaningOf(event.replace(/^data: /, '')));
}

/** Both in brief; of long ones, from shortly before the place where they differ. */
function whereTheyPart(actual: unknown, expected: unknown): [string, string] {
  const texts = [actual, expected].map((value) => JSON.stringify(value) ?? 'undefined');
  const [first = '', second = ''] = texts;
  let from = 0;
  while (from < first.length && first[from] === second[from]) from++;
  const start = Math.max(0, from - 40);
  const shown = texts.map((text) => {
    const end = start + MAX_SHOWN;
    return `${start > 0 ? '…' : ''}${text.slice(start, end)}${text.length > end ? '…' : ''}`;
  });
  return [shown[0] ?? '', shown[1] ?? ''];
}

const MAX_SHOWN = 160;

export function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
