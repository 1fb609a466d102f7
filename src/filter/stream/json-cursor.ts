const QUOTE = 34;
const BACKSLASH = 92;
const LOWER_U = 117;
const UNICODE_DIGITS = 4;

/** Knows whether a place in JSON lies in a string, and where escapes begin and end. */
export class JsonCursor {
  inString = false;
  /** How many characters of an escape are still to come. */
  private escapeRest = 0;
  private escapeBegan = false;

  /** Reads on. */
  pass(text: string): void {
    for (let index = 0; index < text.length; index++) this.step(text.charCodeAt(index));
  }

  /** The stretch of `text`, which begins where this stands, without the escapes its ends would cut in two. */
  align(text: string, from: number, to: number): readonly [from: number, to: number] {
    const cursor = this.copy();
    let start = from;
    let end = to;
    let escapeAt = 0;
    for (let index = 0; index <= to && index <= text.length; index++) {
      const isInside = cursor.escapeBegan || cursor.escapeRest > 0;
      if (!isInside) escapeAt = index;
      if (index === start && isInside) start++;
      if (index === to && isInside) end = escapeAt;
      if (index < text.length) cursor.step(text.charCodeAt(index));
    }
    return start < end ? [start, end] : [from, to];
  }

  private step(code: number): void {
    if (this.escapeBegan) {
      this.escapeBegan = false;
      this.escapeRest = code === LOWER_U ? UNICODE_DIGITS : 0;
    } else if (this.escapeRest > 0) {
      this.escapeRest--;
    } else if (code === QUOTE) {
      this.inString = !this.inString;
    } else if (code === BACKSLASH && this.inString) {
      this.escapeBegan = true;
    }
  }

  private copy(): JsonCursor {
    const copy = new JsonCursor();
    copy.inString = this.inString;
    copy.escapeRest = this.escapeRest;
    copy.escapeBegan = this.escapeBegan;
    return copy;
  }
}
