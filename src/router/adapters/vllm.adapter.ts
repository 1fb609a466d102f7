import { Injectable } from '@nestjs/common';
import { OpenAiFormatAdapter } from './openai-format.adapter.js';

/**
 * vLLM's OpenAI-compatible server. Its extra parameters pass; its `reasoning` becomes `reasoning_content`.
 * Source: https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
 */
@Injectable()
export class VllmAdapter extends OpenAiFormatAdapter {
  override readonly type = 'vllm';
}
