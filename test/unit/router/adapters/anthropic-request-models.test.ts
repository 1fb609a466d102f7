import { factsOf } from '../../../../src/router/adapters/anthropic-models.js';

describe('the name of a model tells what it takes', () => {
  it.each([
    ['claude-2.1', 'none', 'free', true],
    ['claude-3-opus-20240229', 'none', 'free', true],
    ['anthropic.claude-3-7-sonnet-20250219-v1:0', 'budget', 'free', true],
    ['claude-opus-4-20250514', 'budget', 'free', true],
    ['claude-opus-4-1-20250805', 'budget', 'one', true],
    ['claude-sonnet-4-5@20250929', 'budget', 'one', true],
    ['anthropic/claude-opus-4.6', 'adaptive', 'one', true],
    ['claude-opus-4-7', 'adaptive', 'fixed', true],
    ['claude-mythos-preview', 'adaptive', 'fixed', true],
    ['claude-sonnet-5', 'adaptive', 'fixed', true],
    ['claude-fable-5', 'adaptive', 'fixed', true],
    ['claude-fable-5-1', 'adaptive', 'fixed', false],
    ['claude-haiku-5-5', 'adaptive', 'fixed', null],
    ['CLAUDE-OPUS-5-5', 'adaptive', 'fixed', false],
    ['house-model', 'adaptive', 'free', null],
    ['claude-latest', 'adaptive', 'free', null],
  ])('%s thinks by %s, samples %s and may be forced: %s', (name, thinking, sampling, forcedTools) => {
    expect(factsOf(name)).toMatchObject({ thinking, sampling, forcedTools });
  });

  it.each([
    ['claude-opus-4-8', 'unsaid'],
    ['claude-opus-5', 'disabled'],
    ['claude-haiku-5-5', 'disabled'],
    ['claude-sonnet-5-5', 'between_tools'],
    ['claude-opus-5-5', null],
    ['claude-fable-5', null],
    ['claude-mythos-preview', null],
    ['house-model', 'unsaid'],
  ])('%s is kept from thinking by: %s', (name, withoutThinking) => {
    expect(factsOf(name)).toMatchObject({ withoutThinking });
  });

  it.each([
    ['claude-opus-4-1', false],
    ['claude-sonnet-4-5', true],
    ['claude-haiku-4-5-20251001', true],
    ['claude-opus-5-5', true],
    ['house-model', true],
  ])('%s knows formats: %s', (name, structuredOutputs) => {
    expect(factsOf(name)).toMatchObject({ structuredOutputs });
  });
});
