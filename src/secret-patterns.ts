/** Finds one secret, however it is written. */
export type SecretPatterns = { readonly hideIn: (text: string) => string };

/** Fewer characters of base64 could be anything. */
const shortestBase64 = 4;
/** So many bytes of a long secret find it; what is encoded behind them is hidden with them. */
const mostBytes = 48;
const base64Run = /[A-Za-z0-9+/=_%-]/;

export function secretPatterns(secret: string): SecretPatterns {
  const written = new RegExp(
    (secret.toWellFormed().match(/\\+|[^]/gu) ?? []).map(spellingsOf).join(""),
    "g",
  );
  const inner = base64Of(secret).map((text) => Array.from(text, base64SpellingsOf).join(""));
  const encoded = inner.length === 0 ? undefined : new RegExp(inner.join("|"), "g");
  return {
    hideIn(text) {
      const shown = text.replace(written, "***");
      return encoded === undefined ? shown : hideRuns(shown, encoded);
    },
  };
}

/**
 * A character as it is, escaped in JSON, or percent-encoded. Backslashes in a row are one: where each could be one or two,
 * a search could take for ever.
 */
function spellingsOf(character: string): string {
  if (/[A-Za-z0-9]/.test(character)) return character;
  const bytes = Array.from(Buffer.from(character), (byte) => `%${anyCase(hex(byte, 2))}`);
  const units = Array.from(
    { length: character.length },
    (_, index) => `\\\\u${anyCase(hex(character.charCodeAt(index), 4))}`,
  );
  const all = [
    escaped(character),
    escaped(JSON.stringify(character).slice(1, -1)),
    bytes.join(""),
    units.join(""),
    ...(character === "/" ? ["\\\\/"] : []),
    ...(character === " " ? ["\\+"] : []),
  ];
  // The longest first, so that nothing of an escaped character is left.
  const longestFirst = [...new Set(all)].sort((a, b) => b.length - a.length);
  return `(?:${longestFirst.join("|")})`;
}

/**
 * The characters of base64 that the secret alone decides, wherever it begins in what was encoded: `user:password` is
 * encoded as one, and its third byte begins in another place of a character than its first.
 */
function base64Of(secret: string): string[] {
  const bytes = Buffer.from(secret).subarray(0, mostBytes);
  return [0, 1, 2].flatMap((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    const from = Math.ceil((before * 8) / 6);
    const to = Math.floor(((before + bytes.length) * 8) / 6);
    return to - from < shortestBase64 ? [] : [text.slice(from, to)];
  });
}

/** A character of base64 in either alphabet, or percent-encoded. */
function base64SpellingsOf(character: string): string {
  if (character === "+") return "(?:[+-]|%2[bB])";
  if (character === "/") return "(?:[/_]|%2[fF])";
  return character;
}

/** Hides what was found with all that is encoded together with it. */
function hideRuns(text: string, pattern: RegExp): string {
  let shown = "";
  let done = 0;
  for (const { 0: found, index } of text.matchAll(pattern)) {
    if (index < done) continue;
    let from = index;
    let to = index + found.length;
    while (from > done && base64Run.test(text.charAt(from - 1))) from--;
    while (to < text.length && base64Run.test(text.charAt(to))) to++;
    shown += `${text.slice(done, from)}***`;
    done = to;
  }
  return shown + text.slice(done);
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}

function anyCase(digits: string): string {
  return digits.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
}
