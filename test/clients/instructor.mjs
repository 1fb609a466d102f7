/** An application on instructor: answers are objects of a schema, and one that is not is sent back to be mended. */
import instructor from '@instructor-ai/instructor';
import OpenAI from 'openai';
// The library reads schemas of zod 3, which zod 4 brings along.
import { z } from 'zod/v3';
import { answerTasks, connection } from './lib/answer-tasks.mjs';

const person = z.object({ name: z.string(), age: z.number().int().min(0) });

/** `mode`: TOOLS, JSON, MD_JSON or JSON_SCHEMA. */
async function extract({ model, prompt, mode, stream = false, retries = 0 }) {
  const client = instructor({
    client: new OpenAI({ ...connection, maxRetries: 0 }),
    mode,
    // It knows only zod 3's own errors, which those of `zod/v3` are not.
    retryAllErrors: retries > 0,
    logger: () => undefined,
  });
  const answer = await client.chat.completions.create({
    model,
    messages: [{ role: 'user', content: prompt }],
    response_model: { schema: person, name: 'Person' },
    max_retries: retries,
    ...(stream && { stream: true }),
  });
  if (!stream) return person.parse(answer);
  let last;
  for await (const partial of answer) last = partial;
  return person.parse(last);
}

await answerTasks({ extract });
