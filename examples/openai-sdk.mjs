/**
 * The official OpenAI SDK against AEGIS: only the address and the key differ.
 *
 *   OPENAI_BASE_URL=http://127.0.0.1:8080/v1 OPENAI_API_KEY=aegis-… node examples/openai-sdk.mjs
 *
 * `npm run dev` prints this line with a key in it. AEGIS_MODEL chooses the model, else the first one offered is used.
 */
import OpenAI from 'openai';

if (!process.env.OPENAI_API_KEY) {
  console.error('Set OPENAI_API_KEY to an AEGIS key; `npm run dev` prints one.');
  process.exit(1);
}
const client = new OpenAI({ baseURL: process.env.OPENAI_BASE_URL ?? 'http://127.0.0.1:8080/v1' });

const models = await client.models.list();
const model = process.env.AEGIS_MODEL ?? models.data[0]?.id;
console.log('models:    ', models.data.map(({ id }) => id).join(', '));

const { data: completion, response } = await client.chat.completions
  .create({ model, messages: [{ role: 'user', content: 'Say hello in five words.' }] })
  .withResponse();
console.log('completion:', completion.choices[0].message.content);
console.log('served by: ', response.headers.get('x-aegis-provider'), response.headers.get('x-aegis-model'));

process.stdout.write('stream:     ');
const stream = client.chat.completions.stream({
  model,
  messages: [{ role: 'user', content: 'Count to five.' }],
  stream_options: { include_usage: true },
});
stream.on('content', (text) => process.stdout.write(text));
const { usage } = await stream.finalChatCompletion();
console.log(`\ntokens:     ${usage?.prompt_tokens} in, ${usage?.completion_tokens} out`);

const withTool = await client.chat.completions.create({
  model,
  messages: [{ role: 'user', content: 'What is the weather in Oslo?' }],
  tools: [
    {
      type: 'function',
      function: {
        name: 'get_weather',
        description: 'The weather of a city.',
        parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      },
    },
  ],
});
const [call] = withTool.choices[0].message.tool_calls ?? [];
console.log(
  'tool call: ',
  call ? `${call.function.name}(${call.function.arguments})` : 'none: the model answered itself',
);

try {
  await client.chat.completions.create({ model: 'no-such-model', messages: [{ role: 'user', content: 'Hello' }] });
} catch (error) {
  if (!(error instanceof OpenAI.NotFoundError)) throw error;
  console.log('error:     ', error.status, error.code, error.message);
}
