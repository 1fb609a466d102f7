import { createInterface } from 'node:readline';
import { inspect } from 'node:util';

/** Where AEGIS is, and the key it gave out: all an application has to change. */
export const connection = {
  baseURL: required('OPENAI_BASE_URL'),
  apiKey: required('OPENAI_API_KEY'),
};

/**
 * Reads one task a line from standard input, `{"task": NAME, …}`, and answers each with one line on standard output:
 * `{"result": …}`, or `{"error": …}` with the stack where the library threw. Ends with its input.
 */
export async function answerTasks(tasks) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { task, ...parameters } = JSON.parse(line);
    const answer = await tasks[task]({ model: process.env.AEGIS_MODEL, ...parameters }).then(
      (result) => ({ result }),
      (error) => ({ error: describe(error) }),
    );
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

/** What every tool of these applications answers, whatever it is called. */
export function runTool(name, input) {
  return `${name} was given ${JSON.stringify(input)}`;
}

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set.`);
  return value;
}

/** Libraries wrap what went wrong; the first cause says most. */
function describe(error) {
  const causes = [];
  for (let at = error; at !== undefined && causes.length < 5; at = at?.cause ?? at?.lastError) {
    causes.push(at instanceof Error ? (at.stack ?? at.message) : inspect(at));
    if (at?.responseBody) causes.push(at.responseBody);
  }
  return causes.join('\ncaused by ');
}
