import { ChatStreamReading, readCompletion } from './conformance-chat-reading.js';
import { MessageStreamReading, readMessage } from './conformance-message-reading.js';
import type { Reading } from './conformance-told.js';

/** What a recorded body says, whatever came before it was cut. */
export function readRecorded(api: string, isStream: boolean, body: string): Reading {
  if (api === 'messages') return isStream ? new MessageStreamReading().read(body) : readMessage(body);
  return isStream ? new ChatStreamReading().read(body) : readCompletion(body);
}
