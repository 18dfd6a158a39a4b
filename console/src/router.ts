import { computed, signal } from "@preact/signals";

/** Where the page is. */
export type Route = {
  /** Which daemon, counted from 0. */
  readonly daemon: number;
  /** "overview", "components", "events", "dead-letters", "reloads", "types" or "doctor". */
  readonly page: string;
  /** The component, dead letter or type. Empty: the list. */
  readonly id: string;
  /** A part of the page of one. Empty: its first. */
  readonly part: string;
  readonly query: URLSearchParams;
};

const hash = signal("");
/** What is shown now. */
export const route = computed<Route>(() => parse(hash.value));

/** Follows the address. The fragment is never sent to a server. */
export function startRouter(): void {
  const read = (): void => {
    hash.value = location.hash;
  };
  read();
  addEventListener("hashchange", read);
}

/** The address of a page: `#/0/components/orders/definition`. */
export function link(
  daemon: number,
  page: string,
  id = "",
  part = "",
  query: Readonly<Record<string, string>> = {},
): string {
  if (page === "overview") return "#/";
  const path = [String(daemon), page, id, part].filter((one) => one !== "");
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ""));
  const text = search.toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text === "" ? "" : `?${text}`}`;
}

/** Goes to an address. */
export function go(address: string): void {
  location.hash = address;
}

/** Sets values of the query, in place of what the address has; empty ones are taken away. */
export function setQuery(values: Readonly<Record<string, string>>): void {
  const { daemon, page, id, part } = route.peek();
  const address = link(daemon, page, id, part, values);
  if (address !== location.hash) location.hash = address;
}

function parse(text: string): Route {
  const [path = "", search = ""] = text.replace(/^#\/?/, "").split("?", 2);
  const [daemon = "", page = "overview", id = "", part = ""] = path.split("/").map(decoded);
  const query = new URLSearchParams(search);
  if (daemon === "") return { daemon: 0, page: "overview", id: "", part: "", query };
  return { daemon: Math.trunc(Number(daemon)) || 0, page, id, part, query };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
