import { Environment, EvaluationError, ParseError, TypeError } from "@marcbachmann/cel-js";
import { messageOf } from "../errors.ts";
import { closest } from "../metadata/suggest.ts";

/** What a circuit breaker has counted since it closed, or since its interval last passed. */
export type Counts = {
  readonly requests: number;
  readonly totalSuccesses: number;
  readonly totalFailures: number;
  readonly consecutiveSuccesses: number;
  readonly consecutiveFailures: number;
};

/** Whether a breaker opens, asked after each failure. */
export type Trip = (counts: Counts) => boolean;

/** What is wrong with an expression; `start` and `end` are places in its text. */
export type TripProblem = {
  readonly message: string;
  readonly start: number;
  readonly end: number;
  readonly suggestion?: string | undefined;
};

const variables = [
  "requests",
  "totalSuccesses",
  "totalFailures",
  "consecutiveSuccesses",
  "consecutiveFailures",
] as const;

/** Some that do not make a mistake in an expression look right by chance. */
const samples: readonly Counts[] = [
  counts(1, 0, 1, 0, 1),
  counts(10, 4, 6, 0, 3),
  counts(1000, 990, 10, 0, 7),
];

// As in Dapr the variables have no type, so that they compare with numbers of every kind.
const environment = variables.reduce(
  (known, name) => known.registerVariable(name, "dyn"),
  new Environment(),
);

/**
 * Compiles a `trip` expression of CEL. An expression that names something unknown, fails or gives anything
 * but true or false is a problem here, where Dapr takes it and never opens.
 */
export function compileTrip(
  text: string,
): { readonly trip: Trip } | { readonly problem: TripProblem } {
  const whole = { start: 0, end: text.length };
  const endless = endlessness(text);
  if (endless !== undefined) return { problem: { message: endless, ...whole } };
  try {
    const evaluate = environment.parse(text);
    const { valid, error } = evaluate.check();
    if (!valid) return { problem: problemOf(error, text) };
    const run = (given: Counts): unknown => evaluate(asIntegers(given)) as unknown;
    for (const sample of samples) {
      const result = run(sample);
      if (typeof result === "boolean") continue;
      const message = `gives ${kindOf(result)}, not true or false, such as "consecutiveFailures > 5"`;
      return { problem: { message, ...whole } };
    }
    return { trip: (given) => isTrue(run, given) };
  } catch (error) {
    return { problem: problemOf(error, text) };
  }
}

/** Why evaluating it may take for ever, which a condition over five numbers has no need of. */
function endlessness(text: string): string | undefined {
  if (text.length > 1000) return "is longer than 1000 characters";
  if (/\bmatches\s*\(/.test(text)) return "has a pattern in it; it can only compare numbers";
  const loops = text.match(/\.\s*(?:all|exists|exists_one|existsOne|map|filter|bind)\s*\(/g) ?? [];
  return loops.length > 1 ? "goes through lists more than once" : undefined;
}

/** An expression that fails on some counts does not open the breaker, as in Dapr. */
function isTrue(run: (counts: Counts) => unknown, given: Counts): boolean {
  try {
    return run(given) === true;
  } catch {
    return false;
  }
}

function asIntegers(given: Counts): Record<string, bigint> {
  return Object.fromEntries(variables.map((name) => [name, BigInt(given[name])]));
}

function problemOf(error: unknown, text: string): TripProblem {
  const known =
    error instanceof ParseError || error instanceof EvaluationError || error instanceof TypeError;
  const summary = known ? error.summary : messageOf(error);
  const range = known ? error.range : undefined;
  const start = Math.min(range?.start ?? 0, text.length);
  const word = /^\w*/.exec(text.slice(start))?.[0].length ?? 0;
  const end = Math.max(range?.end ?? 0, start + Math.max(1, word));
  const unknown = /^Unknown variable: (\w+)$/.exec(summary)?.[1];
  if (unknown === undefined)
    return { message: `is no expression of CEL that works: ${lowerFirst(summary)}`, start, end };
  const message = `knows no ${JSON.stringify(unknown)}, only ${variables.join(", ")}`;
  return { message, start, end, suggestion: closest(unknown, variables) };
}

function kindOf(result: unknown): string {
  if (typeof result === "bigint" || typeof result === "number") return "a number";
  return typeof result === "string" ? "a text" : "something else";
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function counts(
  requests: number,
  totalSuccesses: number,
  totalFailures: number,
  consecutiveSuccesses: number,
  consecutiveFailures: number,
): Counts {
  return { requests, totalSuccesses, totalFailures, consecutiveSuccesses, consecutiveFailures };
}
