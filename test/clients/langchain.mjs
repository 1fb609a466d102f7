/** An application on LangChain: it runs the tools itself and gives their messages back. */
import { HumanMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { concat } from '@langchain/core/utils/stream';
import { ChatOpenAI } from '@langchain/openai';
import { answerTasks, connection, runTool } from './lib/answer-tasks.mjs';
import { person } from './lib/person.mjs';

function chatModel(model, settings = {}) {
  const { baseURL, apiKey } = connection;
  return new ChatOpenAI({
    model,
    apiKey,
    configuration: { baseURL },
    useResponsesApi: false,
    maxRetries: 0,
    streamUsage: true,
    ...settings,
  });
}

async function roundTrip({ model, prompt, tools, stream = false, reasoningEffort }) {
  const made = tools.map(({ name, description, parameters }) =>
    tool(async (input) => runTool(name, input), { name, description, schema: parameters }),
  );
  const chat = chatModel(model, reasoningEffort && { reasoning: { effort: reasoningEffort } }).bindTools(made);
  const messages = [new HumanMessage(prompt)];
  const answers = [];
  do {
    const answer = stream ? await joined(await chat.stream(messages)) : await chat.invoke(messages);
    answers.push(answer);
    messages.push(answer);
    for (const call of answer.tool_calls) messages.push(await made.find(({ name }) => name === call.name).invoke(call));
  } while (answers.at(-1).tool_calls.length > 0 && answers.length < 3);
  return {
    calls: answers.flatMap((answer) => answer.tool_calls.map(({ id, name, args }) => ({ id, name, input: args }))),
    text: answers.at(-1).text,
    reasoning: answers[0].additional_kwargs.reasoning_content ?? null,
    finishReasons: answers.map((answer) => answer.response_metadata.finish_reason),
    usage: {
      inputTokens: sum(answers, (answer) => answer.usage_metadata?.input_tokens ?? 0),
      outputTokens: sum(answers, (answer) => answer.usage_metadata?.output_tokens ?? 0),
    },
  };
}

async function joined(chunks) {
  let whole;
  for await (const chunk of chunks) whole = whole === undefined ? chunk : concat(whole, chunk);
  if (whole.invalid_tool_calls?.length > 0) throw new Error(JSON.stringify(whole.invalid_tool_calls));
  return whole;
}

function sum(answers, count) {
  return answers.reduce((total, answer) => total + count(answer), 0);
}

/** `method`: functionCalling, jsonSchema or jsonMode. */
async function extract({ model, prompt, method, stream = false }) {
  const chain = chatModel(model).withStructuredOutput(person, { name: 'person', method });
  if (!stream) return chain.invoke(prompt);
  let last;
  for await (const partial of await chain.stream(prompt)) last = partial;
  return last;
}

await answerTasks({ roundTrip, extract });
