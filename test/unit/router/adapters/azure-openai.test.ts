import { AzureOpenAiAdapter } from '../../../../src/router/adapters/azure-openai.adapter.js';
import { screened } from '../../../support/screened-requests.js';
import { targetOf } from '../../../support/targets.js';

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
