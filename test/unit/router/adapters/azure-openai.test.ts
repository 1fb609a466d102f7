import { AzureOpenAiAdapter } from '../../../../src/router/adapters/azure-openai.adapter.js';
import { screened } from '../../../support/screened-requests.js';
import { joinChunks, translateStream } from '../../../support/streamed-answers.js';
import { targetOf } from '../../../support/targets.js';
import { chunk, events, HEAD, parse, ROLE } from './openai-wire.js';

describe('a request to Azure OpenAI', () => {
  const azure = new AzureOpenAiAdapter();
  const baseUrl = 'https://team.openai.azure.com';
  const urlOf = (apiVersion: string, deployment: string | null = 'prod', base = baseUrl): string =>
    azure.buildRequest(
      screened({}),
      targetOf('azure_openai', { provider: { apiVersion, baseUrl: base }, target: { deployment } }),
    ).url;

  it('names the deployment in the path for dated versions', () => {
    expect(urlOf('2024-10-21')).toBe(`${baseUrl}/openai/deployments/prod/chat/completions?api-version=2024-10-21`);
    expect(urlOf('2024-10-21', null)).toContain('/deployments/upstream-model/');
  });

  it('names it in the body for version 1', () => {
    expect(urlOf('v1')).toBe(`${baseUrl}/openai/v1/chat/completions`);
    expect(urlOf('')).toBe(`${baseUrl}/openai/v1/chat/completions`);
    expect(urlOf('preview')).toBe(`${baseUrl}/openai/v1/chat/completions?api-version=preview`);
    expect(urlOf('v1', 'prod', `${baseUrl}/openai/v1`)).toBe(`${baseUrl}/openai/v1/chat/completions`);
    const { body } = azure.buildRequest(screened({}), targetOf('azure_openai', { provider: { apiVersion: 'v1' } }));
    expect(JSON.parse(body.toString()).model).toBe('a-deployment');
  });

  it('keeps a deployment within its place in the path', () => {
    expect(urlOf('2024-10-21', 'a/../b?c#d')).toContain('/deployments/a%2F..%2Fb%3Fc%23d/chat/');
    expect(() => urlOf('2024-10-21', '..')).toThrow(/path/);
  });

  it('sends the credential as `api-key`', () => {
    const { headers } = azure.buildRequest(screened({}), targetOf('azure_openai'));
    expect(headers['api-key']).toBe('a-credential');
    expect(headers).not.toHaveProperty('authorization');
  });
});

describe('an answer of Azure OpenAI', () => {
  const azure = new AzureOpenAiAdapter();
  const safe = {
    hate: { filtered: false, severity: 'safe' },
    protected_material_code: { filtered: false, detected: false },
  };
  const filtered = { hate: { filtered: true, severity: 'high' } };
  const prompt = [{ prompt_index: 0, content_filter_results: safe }];
  const empty = { id: '', object: '', created: 0, model: '' };

  it('that its filter has taken away is an empty one that says so', () => {
    const completion = parse(
      {
        ...HEAD,
        choices: [{ index: 0, finish_reason: 'content_filter', content_filter_results: filtered }],
        prompt_filter_results: prompt,
      },
      azure,
    );
    expect(completion).toMatchObject({
      prompt_filter_results: prompt,
      choices: [{ finish_reason: 'content_filter', message: { content: null }, content_filter_results: filtered }],
    });
  });

  it('keeps that a filter itself failed', () => {
    const content_filter_result = { error: { code: 'content_filter_error', message: 'The contents are not filtered' } };
    const choice = { index: 0, finish_reason: 'stop', message: { content: 'Hi' }, content_filter_result };
    expect(parse({ ...HEAD, choices: [choice] }, azure).choices[0]).toMatchObject({ content_filter_result });
  });

  it('that its filter stops in the middle keeps its text and ends with content_filter', () => {
    const finish = {
      ...HEAD,
      choices: [{ index: 0, finish_reason: 'content_filter', content_filter_results: filtered }],
    };
    const { texts, error } = translateStream(azure, [events(ROLE, chunk({ content: 'Hi' }), finish, '[DONE]')]);
    expect(error).toBeNull();
    expect(joinChunks(texts)).toMatchObject({
      faults: [],
      choices: [{ content: 'Hi', finishReasons: ['content_filter'] }],
    });
    expect(JSON.parse(texts.at(-1) ?? '').choices[0].content_filter_results).toEqual(filtered);
  });

  it('with filters that run beside it loses none of their results', () => {
    const late = (from: number, to: number): object => ({
      ...empty,
      choices: [
        {
          index: 0,
          finish_reason: null,
          content_filter_results: safe,
          content_filter_offsets: { check_offset: from, start_offset: from, end_offset: to },
        },
      ],
      usage: null,
    });
    const stop = chunk({}, 'stop');
    const bytes = events(
      { ...empty, choices: [], prompt_annotations: prompt, usage: null },
      late(0, 0),
      ROLE,
      chunk({ content: 'Hi' }),
      late(0, 1),
      stop,
      late(1, 2),
      { ...HEAD, choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } },
      '[DONE]',
    );
    const { texts, error, usage } = translateStream(azure, [bytes]);
    expect(error).toBeNull();
    expect(usage).toMatchObject({ promptTokens: 7, completionTokens: 3 });
    expect(joinChunks(texts)).toMatchObject({ faults: [], choices: [{ content: 'Hi', finishReasons: ['stop'] }] });
    const chunks = texts.map((text) => JSON.parse(text));
    expect(chunks.flatMap(({ choices }) => choices[0]?.content_filter_offsets?.end_offset ?? [])).toEqual([0, 1, 2]);
    expect(chunks[0].prompt_annotations).toEqual(prompt);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  });
});
