import { pointerOf } from '../../../src/domain/finding.js';

describe('a JSON pointer', () => {
  it.each([
    ['messages[2].content[0].text', '/messages/2/content/0/text'],
    ['messages', '/messages'],
    ['choices[0].message.tool_calls[1].function.arguments', '/choices/0/message/tool_calls/1/function/arguments'],
    ['', ''],
  ])('for %s is %s', (path, pointer) => {
    expect(pointerOf(path)).toBe(pointer);
  });

  it.each([
    ['metadata.*', '/metadata'],
    ['metadata.*[3].deep', '/metadata'],
    ['*', ''],
  ])('ends before a name that is not shown: %s', (path, pointer) => {
    expect(pointerOf(path)).toBe(pointer);
  });
});
