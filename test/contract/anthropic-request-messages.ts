import {
  ADAPTIVE,
  BUDGET,
  call,
  FIXED,
  image,
  lookUp,
  type MatrixCase,
  mark,
  NEWEST,
  now,
  OLD,
  PIXEL,
  pdf,
  result,
  round,
  STRUCTURED,
  said,
  signed,
  text,
  user,
} from './anthropic-request-parts.js';

/** What is said in a conversation. */
export const MESSAGES: readonly MatrixCase[] = [
  {
    name: 'a plain question',
    model: STRUCTURED,
    chat: { messages: [user('Hi')] },
    holds: { model: STRUCTURED, max_tokens: 4096, messages: [{ role: 'user', content: [text('Hi')] }] },
    lacks: ['system', 'tools', 'thinking', 'stream'],
  },
  {
    name: 'all system and developer messages, in order',
    model: OLD,
    chat: {
      messages: [
        { role: 'system', content: '1' },
        user('a'),
        { role: 'developer', content: [text('2'), text('3')] },
        user('b'),
        { role: 'system', content: '4' },
      ],
    },
    holds: {
      system: [text('1'), text('2'), text('3'), text('4')],
      messages: [{ role: 'user', content: [text('a'), text('b')] }],
    },
  },
  {
    name: 'text in parts',
    model: BUDGET,
    chat: { messages: [user([text('a'), text('b')])] },
    holds: { messages: [{ content: [text('a'), text('b')] }] },
  },
  {
    name: 'an image by URL',
    model: STRUCTURED,
    chat: { messages: [user([{ type: 'image_url', image_url: { url: 'https://images.test/a.png', detail: 'low' } }])] },
    holds: { messages: [{ content: [{ type: 'image', source: { type: 'url', url: 'https://images.test/a.png' } }] }] },
  },
  {
    name: 'an image by data',
    model: OLD,
    chat: { messages: [user([image, text('?')])] },
    holds: {
      messages: [
        { content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } }, text('?')] },
      ],
    },
  },
  {
    name: 'a PDF',
    model: STRUCTURED,
    chat: { messages: [user([pdf, text('?')])] },
    holds: {
      messages: [
        {
          content: [
            { type: 'document', title: 'a.pdf', source: { type: 'base64', media_type: 'application/pdf' } },
            text('?'),
          ],
        },
      ],
    },
  },
  {
    name: 'a text file',
    model: ADAPTIVE,
    chat: { messages: [user([{ type: 'file', file: { file_data: 'data:text/csv;base64,YSxi' } }])] },
    holds: {
      messages: [{ content: [{ type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'a,b' } }] }],
    },
  },
  {
    name: 'a tool round',
    model: STRUCTURED,
    chat: { messages: round, tools: [lookUp] },
    holds: {
      messages: [
        {},
        { role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'look_up', input: { city: 'Bern' } }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: 'Rain' }] },
      ],
      tools: [{ name: 'look_up', description: lookUp.function.description, input_schema: lookUp.function.parameters }],
    },
  },
  {
    name: 'several tool results in one user turn, before what the user says',
    model: OLD,
    chat: {
      tools: [lookUp],
      messages: [
        user('?'),
        said({ content: 'Well,', tool_calls: [call('a'), call('b', '')] }),
        result('a'),
        result('b', null),
        user('So?'),
      ],
    },
    holds: {
      messages: [
        {},
        { content: [text('Well,'), { id: 'a' }, { id: 'b', input: {} }] },
        { content: [{ tool_use_id: 'a' }, { tool_use_id: 'b' }, text('So?')] },
      ],
    },
  },
  {
    name: 'a tool result of image, document and text',
    model: STRUCTURED,
    chat: { tools: [lookUp], messages: [...round.slice(0, 2), result('a', [text('See'), image, pdf])] },
    holds: {
      messages: [
        {},
        {},
        { content: [{ type: 'tool_result', content: [text('See'), { type: 'image' }, { type: 'document' }] }] },
      ],
    },
  },
  {
    name: 'an empty tool result',
    model: FIXED,
    chat: { tools: [lookUp], messages: [...round.slice(0, 2), result('a', '')] },
    holds: { messages: [{}, {}, { content: [{ type: 'tool_result', tool_use_id: 'a' }] }] },
  },
  {
    name: "ids that another provider's server made up, and used twice",
    model: STRUCTURED,
    chat: {
      tools: [lookUp],
      messages: [
        user('?'),
        said({ tool_calls: [call('functions.look_up:0')] }),
        result('functions.look_up:0'),
        said({ tool_calls: [call('functions.look_up:0')] }),
        result('functions.look_up:0'),
      ],
    },
    holds: {
      messages: [
        {},
        { content: [{ id: 'functions_look_up_0' }] },
        { content: [{ tool_use_id: 'functions_look_up_0' }] },
        { content: [{ id: 'functions_look_up_0_2' }] },
        { content: [{ tool_use_id: 'functions_look_up_0_2' }] },
      ],
    },
  },
  {
    name: 'a conversation of tools that are no longer offered',
    model: BUDGET,
    chat: { messages: [...round, said({ content: 'Rain.' }), user('Thanks')] },
    holds: { tools: [{ name: 'look_up' }], tool_choice: { type: 'none' } },
  },
  {
    name: 'a result that comes after what the user says',
    model: STRUCTURED,
    chat: { tools: [lookUp], messages: [user('?'), said({ tool_calls: [call('a')] }), user('Wait'), result('a')] },
    holds: { messages: [{}, {}, { content: [{ type: 'tool_result' }, text('Wait')] }] },
  },
  {
    name: 'signed thinking while a result is given back',
    model: STRUCTURED,
    chat: {
      reasoning_effort: 'low',
      tools: [lookUp],
      messages: [
        user('?'),
        said({ content: 'So', thinking_blocks: signed, reasoning_content: 'Hm.', tool_calls: [call('a')] }),
        result('a'),
      ],
    },
    holds: {
      thinking: { type: 'enabled' },
      messages: [{}, { content: [...signed, text('So'), { type: 'tool_use' }] }, {}],
    },
  },
  {
    name: 'thinking that pauses without a signature',
    model: STRUCTURED,
    chat: {
      reasoning_effort: 'low',
      tools: [lookUp],
      messages: [
        user('?'),
        said({ tool_calls: [call('a')] }),
        said({ thinking_blocks: signed, tool_calls: [call('b')] }),
        result('a'),
        result('b'),
      ],
    },
    holds: {
      max_tokens: 4096,
      messages: [
        {},
        {
          content: [
            { type: 'tool_use', id: 'a' },
            { type: 'tool_use', id: 'b' },
          ],
        },
        {},
      ],
    },
    lacks: ['thinking'],
  },
  {
    name: 'signed thinking for a model that thinks unasked',
    model: NEWEST,
    chat: {
      tools: [lookUp],
      messages: [user('?'), said({ thinking_blocks: signed, tool_calls: [call('a')] }), result('a')],
    },
    holds: { messages: [{}, { content: [...signed, { type: 'tool_use' }] }, {}] },
  },
  {
    name: 'signed thinking for a model that does not think now',
    model: FIXED,
    chat: { messages: [user('?'), said({ content: 'So', thinking_blocks: signed }), user('Go on')] },
    holds: { messages: [{}, { content: [text('So')] }, {}] },
  },
  {
    name: 'thinking that nothing follows',
    model: NEWEST,
    chat: { messages: [user('?'), said({ thinking_blocks: signed }), user('Well?')] },
    holds: { messages: [{ content: [text('?'), text('Well?')] }] },
  },
  {
    name: 'cache marks on parts, tools and the request',
    model: STRUCTURED,
    chat: {
      cache_control: mark,
      tools: [{ ...lookUp, cache_control: { ...mark, ttl: '1h' } }],
      messages: [
        { role: 'system', content: [{ ...text('Long'), cache_control: { ...mark, ttl: '1h' } }] },
        user([{ ...image, cache_control: mark }, text('?')]),
      ],
    },
    holds: {
      cache_control: mark,
      tools: [{ cache_control: { ...mark, ttl: '1h' } }],
      system: [{ cache_control: { ...mark, ttl: '1h' } }],
      messages: [{ content: [{ type: 'image', cache_control: mark }, {}] }],
    },
  },
  {
    name: 'cache marks on messages, calls, results and functions',
    model: BUDGET,
    chat: {
      tools: [{ ...now, function: { ...now.function, cache_control: mark } } as never],
      messages: [
        { ...user('?'), cache_control: mark },
        said({ tool_calls: [{ ...call('a'), cache_control: mark }] }),
        result('a', [{ ...text('Rain'), cache_control: mark }]),
      ],
    },
    holds: {
      tools: [{ cache_control: mark }],
      messages: [
        { content: [{ cache_control: mark }] },
        { content: [{ type: 'tool_use', cache_control: mark }] },
        { content: [{ type: 'tool_result', cache_control: mark, content: [text('Rain')] }] },
      ],
    },
  },
  {
    name: 'neighbours of one role',
    model: OLD,
    chat: { messages: [user('a'), user('b'), said({ content: 'c' }), said({ content: 'd' }), user('e')] },
    holds: {
      messages: [{ content: [text('a'), text('b')] }, { content: [text('c'), text('d')] }, { content: [text('e')] }],
    },
  },
  {
    name: 'empty and blank content',
    model: NEWEST,
    chat: {
      messages: [
        { role: 'system', content: '' },
        user([text(''), text(' \n'), text('a')]),
        said({ content: '' }),
        user('b'),
      ],
    },
    holds: { messages: [{ content: [text('a'), text('b')] }] },
    lacks: ['system'],
  },
  {
    name: 'an assistant that speaks first',
    model: STRUCTURED,
    chat: { messages: [said({ content: 'Hello!' }), user('Hi')] },
    holds: {
      messages: [
        { role: 'user' },
        { role: 'assistant', content: [text('Hello!')] },
        { role: 'user', content: [text('Hi')] },
      ],
    },
  },
  {
    name: 'an answer to be continued',
    model: STRUCTURED,
    chat: { messages: [user('Once'), said({ content: 'upon a \n' })] },
    holds: { messages: [{}, { content: [text('upon a')] }] },
  },
  {
    name: 'an answer of the gateway, sent back as it was',
    model: STRUCTURED,
    chat: {
      messages: [
        user('a'),
        said({
          content: [text('Yes'), { type: 'refusal', refusal: 'No' }],
          refusal: 'Never',
          reasoning_content: 'Hm.',
          annotations: [],
          audio: null,
          function_call: null,
        }),
        user('b'),
      ],
    },
    holds: { messages: [{}, { content: [text('Yes'), text('No'), text('Never')] }, {}] },
  },
];
