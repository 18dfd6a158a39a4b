import { closest } from "../metadata/suggest.ts";

const mostNamed = 10;
const longestName = 100;

/** Why an input is none of those that the app has, in words that help to find the mistake. */
export function whyUnlisted(name: string, listed: Iterable<string>): string {
  const names = [...listed];
  const near = closest(name, names);
  if (near !== undefined) return `it has ${near}; the component is ${name}`;
  if (names.length === 0) return "it subscribes to none";
  const more = names.length > mostNamed ? ` and ${names.length - mostNamed} more` : "";
  const named = names.slice(0, mostNamed).map((one) => one.slice(0, longestName));
  return `it has ${named.join(", ")}${more}`;
}
