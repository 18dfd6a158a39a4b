import { computed, signal } from "@preact/signals";
import { createDaemon, type Daemon } from "./daemon.ts";
import { watchAll } from "./live.ts";

/** What the console's server says of whoever has the token. */
type Session = {
  readonly kind: "full" | "read-only";
  readonly daemons: readonly { readonly name: string }[];
  readonly version: string;
};

/** Where this page is with its server. */
type State =
  | { readonly step: "opening" }
  | { readonly step: "token"; readonly problem: string }
  | { readonly step: "unreachable"; readonly problem: string }
  | { readonly step: "open"; readonly session: Session; readonly daemons: readonly Daemon[] };

export const state = signal<State>({ step: "opening" });
export const daemons = computed(() => (state.value.step === "open" ? state.value.daemons : []));
export const version = computed(() =>
  state.value.step === "open" ? state.value.session.version : "",
);
/** Whether changes are offered. */
export const mayChange = computed(
  () => state.value.step === "open" && state.value.session.kind === "full",
);

// Nowhere else: no storage, no cookie, no address. Gone with the page.
let token = "";
let watching = new AbortController();

/** Takes the token out of the link that the daemon has printed, and opens the session. */
export async function begin(): Promise<void> {
  if (!(await openByLink())) await open("");
}

/** Opens the session by the token of the address, which it takes out of it. False: there is none. */
export async function openByLink(): Promise<boolean> {
  const given = /^#token=([^&]+)/.exec(location.hash)?.[1];
  if (given === undefined) return false;
  history.replaceState(null, "", `${location.pathname}${location.search}#/`);
  await open(decoded(given));
  return true;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Opens the session with a token. */
export async function open(given: string): Promise<void> {
  token = given;
  watching.abort();
  // A header could not have it.
  if (/[^\u0021-\u007e]/.test(given)) {
    state.value = { step: "token", problem: "This token is not the console's." };
    return;
  }
  let response: Response;
  try {
    response = await fetch("/session", { headers: { authorization: authorization() } });
  } catch {
    state.value = { step: "unreachable", problem: "The console's server does not answer." };
    return;
  }
  if (response.status === 401 || response.status === 403) {
    const problem = given === "" ? "" : "This token is not the console's.";
    state.value = { step: "token", problem };
    return;
  }
  if (response.status === 429) {
    state.value = { step: "token", problem: "Too many wrong tokens. Try again in a few seconds." };
    return;
  }
  if (!response.ok) {
    const problem = `The console's server answers ${response.status}.`;
    state.value = { step: "unreachable", problem };
    return;
  }
  const session = (await response.json()) as Session;
  watching = new AbortController();
  const daemons = session.daemons.map(({ name }, index) =>
    createDaemon(index, name, authorization, refused),
  );
  watchAll(
    daemons.map(({ live }) => live),
    watching.signal,
  );
  state.value = { step: "open", session, daemons };
}

/** Forgets the token. */
export function close(problem = ""): void {
  watching.abort();
  token = "";
  state.value = { step: "token", problem };
}

function refused(): void {
  if (state.peek().step === "open")
    close("The token is not taken any more: the daemon may have been started anew.");
}

function authorization(): string {
  return `Bearer ${token}`;
}
