import type { Type } from '@nestjs/common';
import type { ProviderAdapter } from '../../domain/provider-adapter.js';
import { AnthropicAdapter } from './anthropic.adapter.js';
import { AzureOpenAiAdapter } from './azure-openai.adapter.js';
import { OpenAiAdapter } from './openai.adapter.js';
import { OpenAiCompatibleAdapter } from './openai-compatible.adapter.js';
import { SimulatorAdapter } from './simulator.adapter.js';
import { VllmAdapter } from './vllm.adapter.js';

/** Every provider AEGIS speaks to: one adapter for each provider type. A new one is added here and nowhere else. */
export const PROVIDER_ADAPTERS: readonly Type<ProviderAdapter>[] = [
  OpenAiAdapter,
  AnthropicAdapter,
  AzureOpenAiAdapter,
  VllmAdapter,
  OpenAiCompatibleAdapter,
  SimulatorAdapter,
];
