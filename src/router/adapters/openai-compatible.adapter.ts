import { Injectable } from '@nestjs/common';
import { OpenAiFormatAdapter } from './openai-format.adapter.js';

/** Any other server that speaks OpenAI's chat completions. */
@Injectable()
export class OpenAiCompatibleAdapter extends OpenAiFormatAdapter {
  override readonly type = 'openai_compatible';
}
