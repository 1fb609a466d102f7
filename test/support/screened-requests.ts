import type { ChatCompletionRequest } from '../../src/domain/chat.js';
import { RequestBody } from '../../src/domain/request-body.js';
import type { ScreenedRequest } from '../../src/domain/screened-request.js';

/** A chat request as the filters let it through. */
export function screened(chat: Partial<ChatCompletionRequest>): ScreenedRequest {
  const whole: ChatCompletionRequest = {
    model: 'aegis-test',
    messages: [{ role: 'user', content: 'Hello?' }],
    ...chat,
  };
  return { chat: whole, body: RequestBody.of(whole), findings: [], level: 'PUBLIC' };
}
