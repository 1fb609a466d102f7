/** An application on OpenAI's Agents SDK: the runner calls the tools and asks again until there is an answer. */
import { Agent, run, setDefaultOpenAIClient, setOpenAIAPI, setTracingDisabled, tool } from '@openai/agents';
import OpenAI from 'openai';
import { answerTasks, connection, runTool } from './lib/answer-tasks.mjs';
import { person } from './lib/person.mjs';

setDefaultOpenAIClient(new OpenAI({ ...connection, maxRetries: 0 }));
setOpenAIAPI('chat_completions');
setTracingDisabled(true);

async function roundTrip({ model, prompt, tools, stream = false, reasoningEffort }) {
  const agent = new Agent({
    name: 'Assistant',
    instructions: 'Answer with the help of your tools.',
    model,
    ...(reasoningEffort && { modelSettings: { reasoning: { effort: reasoningEffort } } }),
    tools: tools.map(({ name, description, parameters }) =>
      tool({
        name,
        description,
        parameters,
        strict: false,
        errorFunction: null,
        execute: async (input) => runTool(name, input),
      }),
    ),
  });
  let text = '';
  const result = await run(agent, prompt, { stream, maxTurns: 3 });
  if (stream) {
    for await (const event of result) {
      if (event.type !== 'raw_model_stream_event') continue;
      if (event.data.type === 'response_started') text = '';
      if (event.data.type === 'output_text_delta') text += event.data.delta;
    }
    await result.completed;
    if (!result.finalOutput.endsWith(text)) throw new Error(`streamed ${text}, but ended with ${result.finalOutput}`);
  }
  const items = result.newItems.map(({ rawItem }) => rawItem);
  return {
    calls: items
      .filter(({ type }) => type === 'function_call')
      .map(({ callId, name, arguments: text }) => ({ id: callId, name, input: JSON.parse(text || '{}') })),
    text: result.finalOutput,
    reasoning:
      items
        .find(({ type }) => type === 'reasoning')
        ?.rawContent?.map(({ text: part }) => part)
        .join('') ?? null,
    // The library keeps none.
    finishReasons: null,
    usage: {
      inputTokens: result.state.usage.inputTokens,
      outputTokens: result.state.usage.outputTokens,
    },
  };
}

async function extract({ model, prompt, stream = false }) {
  const agent = new Agent({ name: 'Extractor', instructions: 'Extract the person.', model, outputType: person });
  const result = await run(agent, prompt, { stream });
  if (stream) await result.completed;
  return result.finalOutput;
}

await answerTasks({ roundTrip, extract });
