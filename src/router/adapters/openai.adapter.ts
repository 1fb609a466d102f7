import { Injectable } from '@nestjs/common';
import { THINKING_BLOCKS } from './anthropic-own-words.js';
import { OpenAiFormatAdapter } from './openai-format.adapter.js';

/** OpenAI's own API. */
@Injectable()
export class OpenAiAdapter extends OpenAiFormatAdapter {
  override readonly type = 'openai';
  // Fields of messages it does not know are refused.
  protected override readonly foreignFields = [THINKING_BLOCKS, 'reasoning_content'];
}
