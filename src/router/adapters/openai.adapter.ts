import { Injectable } from '@nestjs/common';
import { OpenAiFormatAdapter } from './openai-format.adapter.js';

/** OpenAI's own API. */
@Injectable()
export class OpenAiAdapter extends OpenAiFormatAdapter {
  override readonly type = 'openai';
}
