import { closest } from "../metadata/suggest.ts";

const mostNamed = 10;

/** Why an input is none of those that the app has, in words that help to find the mistake. */
export function whyUnlisted(name: string, listed: Iterable<string>): string {
  const names = [...listed];
  const near = closest(name, names);
  if (near !== undefined) return `it has ${near}; the component is ${name}`;
  if (names.length === 0) return "it subscribes to none";
  const more = names.length > mostNamed ? ` and ${names.length - mostNamed} more` : "";
  return `it has ${names.slice(0, mostNamed).join(", ")}${more}`;
}
