// oxlint-disable-next-line no-control-regex -- the very characters that are not in one
const others = /[\x00-\x1f\x7f\u0085\u2028\u2029]/;

/** Whether a text can stand in a line of a mail's head and begins no other: no control characters, no half ones. */
export function isOneLine(text: string): boolean {
  return !others.test(text) && text.isWellFormed();
}
