import { BindingError, grpcCodes, type Effect, type Reason } from "../../errors.ts";
import { parseDuration } from "../../metadata/duration.ts";
import { closest } from "../../metadata/suggest.ts";

/** Where a fault can strike: at a call of an output, or at an event of an input, as it comes or at an attempt at it. */
export type FaultPlace = "call" | "event" | "attempt" | "ack";

/** What a fault does. */
export type FaultAction =
  | { readonly kind: "fail"; readonly reason: Reason; readonly effect: Effect }
  | { readonly kind: "delay"; readonly milliseconds: number }
  | { readonly kind: "poison" }
  | { readonly kind: "cut"; readonly at: "event" | "ack" | "call" };

/** Which of those that it may strike, counted from 1. */
type Which =
  | { readonly kind: "each" }
  | { readonly kind: "only" | "from" | "first"; readonly number: number }
  | { readonly kind: "of"; readonly number: number; readonly each: number };

export type FaultRule = {
  /** The component's name. */
  readonly component: string;
  /** Of an output, the only operation that it strikes. */
  readonly operation: string | undefined;
  readonly action: FaultAction;
  readonly which: Which;
  /** As it was written. */
  readonly text: string;
};

const grammar =
  'a fault is "NAME: fail 3rd", "NAME: delay 5s", "NAME: poison 1 in 100" or "NAME: cut at ack", NAME being a component or COMPONENT/OPERATION';
const whichGrammar = '"3rd", "first 3", "from 3rd", "1 in 100" or "each"';
const effects: readonly Effect[] = ["unsent", "ambiguous", "rejected"];

/** Reads a fault as people write it. Throws an `Error` that says what is not understood, and what would be. */
export function parseFault(text: string): FaultRule {
  const colon = text.indexOf(":");
  const name = colon < 0 ? "" : text.slice(0, colon).trim();
  if (name === "") throw mistake(text, `it names no component; ${grammar}`);
  return parseFaultOf(name, text.slice(colon + 1), text);
}

/** The same behind the colon: of that component, or `COMPONENT/OPERATION`. */
export function parseFaultOf(name: string, said: string, text = `${name}:${said}`): FaultRule {
  const slash = name.indexOf("/");
  const words = said.trim().split(/\s+/);
  const [action, rest] = parseAction(words, text);
  const isOnce = action.kind === "cut";
  return {
    component: slash < 0 ? name : name.slice(0, slash),
    operation: slash < 0 ? undefined : name.slice(slash + 1),
    action,
    which: parseWhich(rest, text) ?? (isOnce ? { kind: "only", number: 1 } : { kind: "each" }),
    text: text.trim(),
  };
}

function parseAction(
  [verb = "", ...words]: readonly string[],
  text: string,
): [FaultAction, string[]] {
  switch (verb.toLowerCase()) {
    case "fail":
      return parseFailure(words, text);
    case "delay": {
      const [duration = "", ...rest] = words;
      const milliseconds = /\d/.test(duration) ? parseDuration(duration, Number.NaN) : undefined;
      if (milliseconds === undefined || !(milliseconds > 0)) {
        const said = duration === "" ? "nothing" : JSON.stringify(duration);
        throw mistake(text, `delay needs a duration such as "5s" or "250ms", not ${said}`);
      }
      return [{ kind: "delay", milliseconds }, rest];
    }
    case "poison":
      return [{ kind: "poison" }, words];
    case "cut": {
      const [preposition = "", place = "", ...rest] = words;
      const at = (["event", "ack", "call"] as const).find((one) => one === place.toLowerCase());
      if (preposition.toLowerCase() !== "at" || at === undefined) {
        const text1 = `cut needs to know where: "cut at event" or "cut at ack" of an input, "cut at call" of an output`;
        throw mistake(text, text1);
      }
      return [{ kind: "cut", at }, rest];
    }
    default: {
      const meant = closest(verb, ["fail", "delay", "poison", "cut"]);
      const hint = meant === undefined ? grammar : `did you mean ${meant}?`;
      throw mistake(text, `${JSON.stringify(verb)} is no fault; ${hint}`);
    }
  }
}

/** `fail`, the count, and `as REASON EFFECT` in either order. */
function parseFailure(words: readonly string[], text: string): [FaultAction, string[]] {
  const as = words.findIndex((word) => word.toLowerCase() === "as");
  if (as < 0) return [{ kind: "fail", reason: "unavailable", effect: "ambiguous" }, [...words]];
  const rest = [...words];
  const said = rest.splice(as, 2)[1]?.toLowerCase() ?? "";
  const reasons = Object.keys(grpcCodes) as Reason[];
  const reason = reasons.find((one) => one === said);
  if (reason === undefined) {
    const meant = closest(said, reasons);
    const hint =
      meant === undefined ? `it is one of ${reasons.join(", ")}` : `did you mean ${meant}?`;
    throw mistake(text, `${JSON.stringify(said)} is no reason of a failure; ${hint}`);
  }
  const effect = effects.find((one) => one === rest[as]?.toLowerCase());
  if (effect !== undefined) rest.splice(as, 1);
  return [{ kind: "fail", reason, effect: effect ?? usualEffect(reason) }, rest];
}

function usualEffect(reason: Reason): Effect {
  const isOutage = ["unavailable", "deadline_exceeded", "internal", "cancelled"].includes(reason);
  return isOutage ? "ambiguous" : "rejected";
}

function parseWhich(words: readonly string[], text: string): Which | undefined {
  const said = words
    .filter((word) => word.toLowerCase() !== "the")
    .join(" ")
    .toLowerCase();
  if (said === "") return undefined;
  if (["each", "every", "always", "all"].includes(said)) return { kind: "each" };
  const ordinal = /^(from |after )?(\d+)(?:st|nd|rd|th)$/.exec(said);
  const number = Number(ordinal?.[2] ?? 0);
  if (ordinal !== null && number > 0) {
    if (ordinal[1] === undefined) return { kind: "only", number };
    return { kind: "from", number: ordinal[1] === "after " ? number + 1 : number };
  }
  const first = /^first(?: (\d+))?$/.exec(said);
  const many = Number(first?.[1] ?? 1);
  if (first !== null && many > 0) return { kind: "first", number: many };
  const ratio = /^(\d+) in (\d+)$/.exec(said);
  const [some, each] = [Number(ratio?.[1] ?? 0), Number(ratio?.[2] ?? 0)];
  if (some > 0 && some <= each) return { kind: "of", number: some, each };
  throw mistake(text, `${JSON.stringify(said)} does not say which; say ${whichGrammar}`);
}

function mistake(text: string, why: string): Error {
  return new Error(`the fault ${JSON.stringify(text.trim())} is not understood: ${why}`);
}

/** A component that is both an input and an output counts its calls and its events apart. */
type Counts = Record<FaultPlace, number>;

/** The faults of a kit that are in force, with how often each could have struck. */
export class Faults {
  #rules: { readonly rule: FaultRule; readonly counts: Counts; struck: number }[] = [];

  add(rule: FaultRule): void {
    this.#rules.push({ rule, counts: { call: 0, event: 0, attempt: 0, ack: 0 }, struck: 0 });
  }

  /** Takes back those of a component, or all. */
  clear(component?: string): void {
    this.#rules = this.#rules.filter(
      ({ rule }) => (component ?? rule.component) !== rule.component,
    );
  }

  /** Those that have not struck, as they were written. */
  get unused(): string[] {
    return this.#rules.filter(({ struck }) => struck === 0).map(({ rule }) => rule.text);
  }

  /** What happens at this place now; each call counts. */
  at(place: FaultPlace, component: string, operation?: string): FaultAction[] {
    const actions: FaultAction[] = [];
    for (const one of this.#rules) {
      const { rule } = one;
      if (rule.component !== component || !strikesAt(rule.action, place)) continue;
      if (rule.operation !== undefined && rule.operation !== operation) continue;
      if (!isMeant(rule.which, ++one.counts[place])) continue;
      one.struck++;
      actions.push(rule.action);
    }
    return actions;
  }
}

function strikesAt(action: FaultAction, place: FaultPlace): boolean {
  switch (action.kind) {
    case "fail":
      return place === "call" || place === "attempt";
    case "delay":
      return place === "call" || place === "event";
    case "poison":
      return place === "event";
    case "cut":
      return place === action.at;
  }
}

function isMeant(which: Which, count: number): boolean {
  switch (which.kind) {
    case "each":
      return true;
    case "only":
      return count === which.number;
    case "from":
      return count >= which.number;
    case "first":
      return count <= which.number;
    case "of":
      return (count - 1) % which.each >= which.each - which.number;
  }
}

/** Why a rule makes no sense for a component that can do this; `undefined`: it does. */
export function whyUseless(
  { action, operation }: FaultRule,
  can: { readonly input: boolean; readonly operations: readonly string[] },
): string | undefined {
  const isOutput = can.operations.length > 0;
  if (operation !== undefined && !can.operations.includes(operation)) {
    const known = isOutput ? `it has ${can.operations.join(", ")}` : "it is an input";
    return `it has no operation ${operation}: ${known}`;
  }
  const needsInput = action.kind === "poison" || (action.kind === "cut" && action.at !== "call");
  if (needsInput && !can.input) return "it reads no events";
  if (action.kind === "cut" && action.at === "call" && !isOutput) return "it cannot be invoked";
  return undefined;
}

/** The failure of a call that a fault has struck. */
export function scriptedFailure(action: FaultAction & { kind: "fail" }): BindingError {
  const { reason, effect } = action;
  return new BindingError(reason, `scripted fault: ${reason}`, { effect });
}
