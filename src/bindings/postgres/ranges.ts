/** Go's letters of a bound, as the numbers that its JSON has. */
const bound = { inclusive: 105, exclusive: 101, unbounded: 85, empty: 69 };

/** A range in the server's text, such as `[1,10)`, as the fields of Dapr's driver. */
export function rangeJson(text: string, element: (text: string) => string): string {
  if (text === "empty") return range("null", "null", bound.empty, bound.empty);
  const isQuoted =
    /^[[(](?:"((?:[^"\\]|\\[\s\S]|"")*)"|([^,"]*)),(?:"((?:[^"\\]|\\[\s\S]|"")*)"|([^"]*))[\])]$/;
  const [, quotedLower, plainLower, quotedUpper, plainUpper] = isQuoted.exec(text) ?? [];
  const lower = unquoted(quotedLower) ?? plainLower;
  const upper = unquoted(quotedUpper) ?? plainUpper;
  const kind = (value: string | undefined, isInclusive: boolean): number =>
    !value ? bound.unbounded : isInclusive ? bound.inclusive : bound.exclusive;
  return range(
    lower ? element(lower) : "null",
    upper ? element(upper) : "null",
    kind(lower, text.startsWith("[")),
    kind(upper, text.endsWith("]")),
  );
}

function unquoted(text: string | undefined): string | undefined {
  return text?.replaceAll(/\\([\s\S])|""/g, (_, escaped: string | undefined) => escaped ?? '"');
}

function range(lower: string, upper: string, lowerType: number, upperType: number): string {
  return `{"Lower":${lower},"Upper":${upper},"LowerType":${lowerType},"UpperType":${upperType},"Valid":true}`;
}
