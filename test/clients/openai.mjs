/** An application on OpenAI's own library: it runs the tools itself and gives each message back as it came. */
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { answerTasks, connection, runTool } from './lib/answer-tasks.mjs';
import { person } from './lib/person.mjs';

const client = new OpenAI({ ...connection, maxRetries: 0 });

async function roundTrip({ model, prompt, tools, stream = false, reasoningEffort }) {
  const messages = [{ role: 'user', content: prompt }];
  const answers = [];
  do {
    const body = {
      model,
      messages,
      tools: tools.map((definition) => ({ type: 'function', function: definition })),
      reasoning_effort: reasoningEffort,
    };
    const answer = stream ? await streamed(body) : await client.chat.completions.create(body);
    answers.push(answer);
    const { message } = answer.choices[0];
    messages.push(message);
    for (const { id, function: called } of message.tool_calls ?? []) {
      const content = runTool(called.name, JSON.parse(called.arguments));
      messages.push({ role: 'tool', tool_call_id: id, content });
    }
  } while (messages.at(-1).role === 'tool' && answers.length < 3);
  const choices = answers.map((answer) => answer.choices[0]);
  return {
    calls: choices.flatMap(({ message }) =>
      (message.tool_calls ?? []).map(({ id, function: called }) => ({
        id,
        name: called.name,
        input: JSON.parse(called.arguments),
      })),
    ),
    text: choices.at(-1).message.content,
    reasoning: choices[0].message.reasoning_content ?? null,
    finishReasons: choices.map((choice) => choice.finish_reason),
    usage: {
      inputTokens: sum(answers, ({ usage }) => usage?.prompt_tokens ?? 0),
      outputTokens: sum(answers, ({ usage }) => usage?.completion_tokens ?? 0),
    },
  };
}

function streamed(body) {
  return client.chat.completions.stream({ ...body, stream_options: { include_usage: true } }).finalChatCompletion();
}

function sum(answers, count) {
  return answers.reduce((total, answer) => total + count(answer), 0);
}

async function extract({ model, prompt, stream = false }) {
  const body = {
    model,
    messages: [{ role: 'user', content: prompt }],
    response_format: zodResponseFormat(person, 'person'),
  };
  const completion = stream
    ? await client.chat.completions.stream(body).finalChatCompletion()
    : await client.chat.completions.parse(body);
  return completion.choices[0].message.parsed;
}

await answerTasks({ roundTrip, extract });
