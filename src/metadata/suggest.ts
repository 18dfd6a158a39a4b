/**
 * The candidate that a misspelt name most likely meant, or `undefined` when none is near: at most a third of its
 * letters may differ, and never more than three, counting a swap of neighbours as one. What the two share at
 * their dots and hyphens does not count as letters: `bindings.aws.s3` is not near `bindings.mqtt3`.
 */
export function closest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase();
  if (wanted.length > longestName) return undefined;
  let best: string | undefined;
  let bestDistance = mostEdits + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - wanted.length) >= bestDistance) continue;
    const [own, other] = withoutSharedParts(wanted, candidate.toLowerCase());
    const distance = editDistance(own, other);
    if (distance < bestDistance && distance <= editsOf(own, other, wanted))
      [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** How many letters may differ. One always may, but for names of two letters and less, which all look alike. */
function editsOf(own: string, other: string, wanted: string): number {
  const third = Math.floor(Math.max(own.length, other.length) / 3);
  return Math.min(mostEdits, Math.max(third, wanted.length > 2 ? 1 : 0));
}

/** The parts of two names, between dots, hyphens and the like, that are not the same at the start or the end of both. */
function withoutSharedParts(a: string, b: string): [string, string] {
  const [own, other] = [a.split(separators), b.split(separators)];
  while (own.length > 1 && other.length > 1 && own[0] === other[0]) {
    own.shift();
    other.shift();
  }
  while (own.length > 1 && other.length > 1 && own.at(-1) === other.at(-1)) {
    own.pop();
    other.pop();
  }
  return [own.join("."), other.join(".")];
}

const separators = /[-._/:]/;
const mostEdits = 3;

/** Nobody misspells a longer one, and comparing costs the product of the lengths. */
const longestName = 200;

/** Optimal string alignment: insert, delete, replace, swap neighbours. */
function editDistance(a: string, b: string): number {
  let previous: number[] = [];
  let current = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const beforePrevious = previous;
    previous = current;
    current = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let distance = Math.min(
        (previous[j] ?? 0) + 1,
        (current[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + cost,
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        distance = Math.min(distance, (beforePrevious[j - 2] ?? 0) + 1);
      }
      current.push(distance);
    }
  }
  return current[b.length] ?? 0;
}
