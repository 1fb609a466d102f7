import { Injectable } from '@nestjs/common';
import { AegisError } from '../../domain/errors.js';
import type { Provider, Target } from '../../domain/target.js';
import { THINKING_BLOCKS } from './anthropic-own-words.js';
import { OpenAiFormatAdapter } from './openai-format.adapter.js';

/** The API versions that stand for Azure's version 1 API, whose paths name no deployment. */
const VERSION_1: ReadonlySet<string> = new Set(['', 'v1', 'preview']);

/**
 * Azure OpenAI: a deployment in the path (dated API versions) or in the body (version 1), and `api-key`.
 * Source: https://learn.microsoft.com/azure/ai-foundry/openai/reference
 */
@Injectable()
export class AzureOpenAiAdapter extends OpenAiFormatAdapter {
  override readonly type = 'azure_openai';
  // Fields of messages it does not know are refused.
  protected override readonly foreignFields = [THINKING_BLOCKS, 'reasoning_content'];

  protected override buildUrl(target: Target): string {
    const { apiVersion } = target.provider;
    const base = target.provider.baseUrl.replace(/\/openai(?:\/v1)?$/, '');
    if (VERSION_1.has(apiVersion)) {
      return `${base}/openai/v1/chat/completions${apiVersion === 'preview' ? '?api-version=preview' : ''}`;
    }
    const deployment = pathSegment(target.deployment ?? target.model);
    return `${base}/openai/deployments/${deployment}/chat/completions?api-version=${encodeURIComponent(apiVersion)}`;
  }

  protected override modelName(target: Target): string {
    return VERSION_1.has(target.provider.apiVersion) ? (target.deployment ?? target.model) : target.model;
  }

  protected override credentialHeaders({ credential }: Provider): Record<string, string> {
    return credential === '' ? {} : { 'api-key': credential };
  }
}

/** Encoding leaves dots alone, and a URL parser follows `.` and `..` however they are written. */
function pathSegment(deployment: string): string {
  if (/^\.{0,2}$/.test(deployment)) {
    throw new AegisError('internal_error', 'A deployment in the configuration has a name that no path can hold.');
  }
  return encodeURIComponent(deployment);
}
