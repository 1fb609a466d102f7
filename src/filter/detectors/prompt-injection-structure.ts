import type { InjectionSignal } from './prompt-injection-families.js';

interface Mark {
  /** Sticky, bounded. */
  readonly pattern: RegExp;
  readonly family: InjectionSignal['family'];
  readonly weight: number;
}

const ROLE = '(?:system|developer|assistant|user|ai|human|ipython|tool)';

/** Marks of chat templates and prompts, which mean nothing in a user's words unless they are to be taken for the frame around them. */
const MARKS: readonly Mark[] = [
  // Sources: the chat templates of the models' cards (ChatML, Llama 2 and 3, Gemma, Phi, Mistral, Alpaca, Vicuna).
  { pattern: /<\|im_start\|>\s{0,4}(?:system|developer)/iy, family: 'fake-role-marker', weight: 60 },
  {
    pattern: /<\|(?:im_start|im_end|im_sep|endoftext|endofprompt|eot_id|end_of_turn)\|>/iy,
    family: 'fake-role-marker',
    weight: 40,
  },
  { pattern: /<\|start_header_id\|>\s{0,4}system/iy, family: 'fake-role-marker', weight: 60 },
  { pattern: new RegExp(`<\\|${ROLE}\\|>`, 'iy'), family: 'fake-role-marker', weight: 45 },
  { pattern: /<<\/?SYS>>/y, family: 'fake-role-marker', weight: 52 },
  { pattern: /<start_of_turn>(?:system|model)/iy, family: 'fake-role-marker', weight: 52 },
  {
    pattern: /<system(?:[_-]?(?:prompt|message|instructions?|override|note))?>/iy,
    family: 'fake-role-marker',
    weight: 30,
  },
  {
    pattern:
      /<\/(?:system|user|instructions?|prompt|context|document|data|input|user_?(?:query|input|message)|system[_-]?(?:prompt|message))>/iy,
    family: 'fake-role-marker',
    weight: 18,
  },
  { pattern: /\[\/?INST\]/y, family: 'fake-role-marker', weight: 40 },
  {
    pattern:
      /\[(?:system|assistant|admin|developer)(?:\s(?:message|prompt|note|override|instruction)s?)?\](?:\(#|:|\s)/iy,
    family: 'fake-role-marker',
    weight: 34,
  },
  {
    pattern:
      /#{2,4}\s{0,2}(?:system|instructions?|new instructions?|system prompt|human|assistant)\s{0,2}(?:prompt|message|override)?\s{0,2}:/iy,
    family: 'fake-role-marker',
    weight: 30,
  },
  {
    pattern: /\n?system(?: (?:prompt|message|note|override))?\s{0,2}:\s{0,4}\S/iy,
    family: 'fake-role-marker',
    weight: 30,
  },
  {
    pattern: /\n?assistant\s{0,2}:\s{0,4}\S[^\n]{0,300}\n{1,3}(?:user|human|system)\s{0,2}:/iy,
    family: 'fake-role-marker',
    weight: 12,
  },
  // An image is fetched as soon as an answer is shown, so whatever its address holds is sent away.
  {
    pattern:
      /!\[[^\]\n]{0,100}\]\(\s{0,2}https?:\/\/[^)\s]{1,200}[?=/](?:[^)\s{[<$%]{0,80})(?:\{|\[|<|\$|%7b)[^)\n]{0,30}(?:data|secret|conversation|history|prompt|message|user|mail|context|summary|token|key|password|chat|info|answer|name|base64|encoded|text|content|here)[^)\n]{0,60}\)/iy,
    family: 'data-exfiltration',
    weight: 56,
  },
  {
    pattern:
      /<img\s[^>\n]{0,80}src=["']?https?:\/\/[^>\s]{1,200}[?=/][^>\s{[<$]{0,80}(?:\{|\[|<|\$)[^>\n]{0,30}(?:data|secret|conversation|history|prompt|message|context|summary|token|password|chat)/iy,
    family: 'data-exfiltration',
    weight: 56,
  },
  // Text that a page does not show.
  { pattern: /display\s{0,2}:\s{0,2}none/iy, family: 'hidden-text', weight: 8 },
  { pattern: /font-size\s{0,2}:\s{0,2}0(?:\.\d|px|pt|em|;|"|')/iy, family: 'hidden-text', weight: 20 },
];

/** How a mark begins; `mark-places.ts` tells where. */
const BEGINNINGS =
  /<\||<<\/?sys|<start_of_turn|<\/?(?=system|user|instruction|prompt|context|document|data|input)|\[(?=\/?inst|system|assistant|admin|developer)|#{2,4}\s{0,2}(?=system|instruction|new instr|human|assistant)|(?:^|\n)(?=system|assistant)|!\[|<img\s|display\s{0,2}:\s{0,2}none|font-size\s{0,2}:\s{0,2}0/iy;
/** No pattern reads further from where it begins. */
const REACH = 700;

/** Looks for marks at places in a text, which are in order; null for each that only looked like one. */
export function* findMarks(text: string, places: readonly number[]): Generator<InjectionSignal | null> {
  let from = 0;
  for (const place of places) {
    if (place < from) continue;
    // Others use the same expression while this one waits to go on: where it reads from is for each to say.
    BEGINNINGS.lastIndex = place;
    const found = BEGINNINGS.exec(text);
    if (!found) continue;
    // A mark at the very beginning takes no character up.
    from = place + Math.max(1, found[0].length);
    yield findMark(text.slice(place, place + REACH), place);
  }
}

function findMark(window: string, start: number): InjectionSignal | null {
  for (const { pattern, family, weight } of MARKS) {
    pattern.lastIndex = 0;
    const found = pattern.exec(window);
    if (found) return { family, weight, start, end: start + found[0].length };
  }
  return null;
}

const QUOTES = /["`“”„«»「」『』‘’]/;
const QUOTE_REACH = 120;

/** Whether a place stands in quotation marks, or in a block of code, on its own line. */
export function isQuoted(text: string, start: number, end: number): boolean {
  const before =
    text
      .slice(Math.max(0, start - QUOTE_REACH), start + 1)
      .split('\n')
      .at(-1) ?? '';
  const after = text.slice(end, end + QUOTE_REACH).split('\n')[0] ?? '';
  const opens = QUOTES.test(before) || /(?:^|[\s(:,])'/.test(before);
  return (
    (opens && (QUOTES.test(after) || /'(?:$|[\s).,;:!?])/.test(after))) || /^\s{0,4}(?:>|\||[-*] ["'`“])/.test(before)
  );
}
