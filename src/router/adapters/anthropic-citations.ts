import type { ChatAnnotation } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import { findText } from './json-answer.js';

const LOW_SURROGATES = /[\udc00-\udfff]/g;

/** A text block that is being read: where it begins in the whole text, and what it cites. */
export interface CitedBlock {
  readonly startIndex: number;
  /** Titles by address: a block that cites one page five times has one source. */
  readonly titles: Map<string, string>;
}

/**
 * Anthropic cites by block: the whole of a text block rests on its citations. OpenAI cites by place in the joined
 * text. Only what has a web address has a place there; citations of documents (by character, page or block) have none.
 * Source: https://docs.anthropic.com/en/docs/build-with-claude/citations
 */
export class CitedText {
  readonly annotations: ChatAnnotation[] = [];
  private length = 0;

  openBlock(): CitedBlock {
    return { startIndex: this.length, titles: new Map() };
  }

  /** Every text of the answer passes here, whether anything is cited or not. */
  add(text: string): void {
    this.length += countCharacters(text);
  }

  /** Returns how many characters are kept of it. */
  cite(block: CitedBlock, citation: unknown): number {
    if (!isObject(citation)) return 0;
    const url = findCitedUrl(citation);
    if (url === undefined || block.titles.has(url)) return 0;
    const title = findText(citation.title) ?? url;
    block.titles.set(url, title);
    return url.length + title.length;
  }

  closeBlock({ startIndex, titles }: CitedBlock): void {
    for (const [url, title] of titles) {
      this.annotations.push({
        type: 'url_citation',
        url_citation: { url, title, start_index: startIndex, end_index: this.length },
      });
    }
  }
}

function findCitedUrl({ type, url: page, source }: Record<string, unknown>): string | undefined {
  // The source of a search result is the client's own word for it: an address, or any other name.
  const url = findText(type === 'web_search_result_location' ? page : type === 'search_result_location' && source);
  return url !== undefined && /^https?:\/\//i.test(url) && URL.canParse(url) ? url : undefined;
}

/** In code points, as OpenAI's own indexes count. The two halves of one may come in two texts. */
function countCharacters(text: string): number {
  return text.length - (text.match(LOW_SURROGATES)?.length ?? 0);
}
