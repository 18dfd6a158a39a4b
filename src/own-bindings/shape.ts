import type { AnyBinding } from "../binding.ts";
import { closest } from "../metadata/suggest.ts";

/** What is wrong with a declaration, and where: the names on the way to it, none for the whole. */
export type ShapeProblem = { readonly path: readonly string[]; readonly message: string };

/** What a property must be. Adds what is wrong with it. */
type Shape = (value: unknown, path: readonly string[], problems: ShapeProblem[]) => void;
type Property = { readonly shape: Shape; readonly required?: true };
type AnyOperation = NonNullable<AnyBinding["operations"]>[string];
type Properties = Readonly<Record<string, Property>>;

/** All that is wrong with what should be a binding; nothing: it is one. */
export function shapeProblems(value: unknown): ShapeProblem[] {
  const problems: ShapeProblem[] = [];
  if (!isObject(value)) {
    const message = "is no binding; make it by `defineBinding({ … })`";
    return [{ path: [], message }];
  }
  properties(binding)(value, [], problems);
  const { operations, read } = value;
  if (read === undefined && (!isObject(operations) || Object.keys(operations).length === 0)) {
    const message = "has neither `operations` nor `read`, so that nobody could use it";
    problems.push({ path: [], message });
  }
  return problems;
}

/** The same, as a check. */
export function isBinding(value: unknown): value is AnyBinding {
  return shapeProblems(value).length === 0;
}

/** How a problem is told, after its place. */
export function shapeText({ path, message }: ShapeProblem): string {
  return path.length === 0 ? `the binding ${message}` : `\`${path.join(".")}\` ${message}`;
}

const text: Shape = (value, path, problems) => {
  if (typeof value !== "string" || value.trim() === "")
    problems.push({ path, message: `must be a text, and is ${kindOf(value)}` });
};

const typeName: Shape = (value, path, problems) => {
  if (typeof value === "string" && /^[a-z0-9][\w-]*(\.[\w-]+)*$/i.test(value)) {
    if (!/^bindings\./i.test(value)) return;
    problems.push({ path, message: `${JSON.stringify(value)} must be without \`bindings.\`` });
  } else {
    const shown = typeof value === "string" ? JSON.stringify(value) : kindOf(value);
    problems.push({ path, message: `must be a type's name such as "acme.queue", and is ${shown}` });
  }
};

const callable: Shape = (value, path, problems) => {
  if (typeof value !== "function")
    problems.push({ path, message: `must be a function, and is ${kindOf(value)}` });
};

const flag: Shape = (value, path, problems) => {
  if (typeof value !== "boolean")
    problems.push({ path, message: `must be true or false, and is ${kindOf(value)}` });
};

const flagOrCallable: Shape = (value, path, problems) => {
  if (typeof value !== "boolean" && typeof value !== "function")
    problems.push({ path, message: `must be true, false or a function, and is ${kindOf(value)}` });
};

const flagOrText: Shape = (value, path, problems) => {
  if (typeof value !== "boolean" && (typeof value !== "string" || value.trim() === ""))
    problems.push({ path, message: `must be true, false or a text, and is ${kindOf(value)}` });
};

const field: Shape = (value, path, problems) => {
  const isField =
    isObject(value) &&
    typeof value["kind"] === "string" &&
    typeof value["description"] === "string" &&
    typeof value["parse"] === "function";
  if (isField) return;
  const message = 'must be a field, such as `fields.string({ description: "…" })`';
  problems.push({ path, message: `${message}, and is ${kindOf(value)}` });
};

function oneOf(...words: readonly string[]): Shape {
  return (value, path, problems) => {
    if (typeof value === "string" && words.includes(value)) return;
    const shown = typeof value === "string" ? JSON.stringify(value) : kindOf(value);
    problems.push({ path, message: `must be one of ${words.join(", ")}, and is ${shown}` });
  };
}

/** A value for each name that the author chooses. */
function named(shape: Shape): Shape {
  return (value, path, problems) => {
    if (!isObject(value)) {
      problems.push({ path, message: `must be an object, and is ${kindOf(value)}` });
      return;
    }
    for (const [name, one] of Object.entries(value)) shape(one, [...path, name], problems);
  };
}

function listOf(shape: Shape): Shape {
  return (value, path, problems) => {
    if (!Array.isArray(value))
      problems.push({ path, message: `must be a list, and is ${kindOf(value)}` });
    else for (const [index, one] of value.entries()) shape(one, [...path, `${index}`], problems);
  };
}

/** An object with these properties and no others. */
function properties(known: Properties): Shape {
  return (value, path, problems) => {
    if (!isObject(value)) {
      problems.push({ path, message: `must be an object, and is ${kindOf(value)}` });
      return;
    }
    for (const [name, { shape, required }] of Object.entries(known)) {
      const one = value[name];
      if (one !== undefined) shape(one, [...path, name], problems);
      else if (required) problems.push({ path: [...path, name], message: "is missing" });
    }
    for (const name of Object.keys(value)) {
      if (name in known) continue;
      const meant = closest(name, Object.keys(known));
      const hint = meant === undefined ? "" : `; did you mean \`${meant}\`?`;
      problems.push({ path: [...path, name], message: `is not known${hint}` });
    }
  };
}

const operationProperties: Readonly<Record<keyof AnyOperation, Property>> = {
  description: { shape: text, required: true },
  request: { shape: named(field), required: true },
  answerMetadata: { shape: named(text) },
  idempotent: { shape: flagOrCallable },
  isIdempotent: { shape: callable },
  invoke: { shape: callable, required: true },
  invokeStream: { shape: callable },
};

const operation = properties(operationProperties);

/** One for each property of the contract, so that it cannot get another without this. */
const binding: Readonly<Record<keyof AnyBinding, Property>> = {
  name: { shape: typeName, required: true },
  aliases: { shape: listOf(typeName) },
  status: { shape: oneOf("stable", "beta", "alpha"), required: true },
  summary: { shape: text, required: true },
  provedBy: {
    shape: listOf(
      properties({
        system: { shape: text, required: true },
        kind: { shape: oneOf("real", "emulator", "stand-in"), required: true },
      }),
    ),
  },
  drivers: { shape: named(text) },
  needsDriver: { shape: callable },
  runsPrograms: { shape: flag },
  notBuilt: { shape: flag },
  metadata: { shape: named(field), required: true },
  example: { shape: named(text) },
  check: { shape: callable },
  open: { shape: callable, required: true },
  operations: { shape: named(operation) },
  anyOperation: { shape: operation },
  offers: { shape: callable },
  read: { shape: callable },
  eventMetadata: { shape: named(text) },
  guarantee: {
    shape: properties({
      returned: { shape: text, required: true },
      atLeastOnce: { shape: text, required: true },
      key: { shape: text },
      duplicates: {
        shape: properties({
          app: { shape: text, required: true },
          runtime: { shape: text, required: true },
          server: { shape: text, required: true },
        }),
        required: true,
      },
      shared: { shape: flagOrText },
      lossy: { shape: flag },
    }),
  },
  isShared: { shape: callable },
  inputIsOptional: { shape: flag },
  openedOnce: { shape: oneOf("port", "identity") },
  spreads: { shape: flag },
  retry: { shape: properties({ inbound: { shape: callable }, outbound: { shape: callable } }) },
  returnsSingly: { shape: flag },
  countsAttempts: { shape: flag },
  cutCause: { shape: callable },
  nullAs: { shape: callable },
  ping: { shape: callable },
  examine: { shape: callable },
  backlog: { shape: callable },
  backlogIsPart: { shape: flag },
  totalBacklog: { shape: callable },
};

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "string" && value.trim() === "") return "empty";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string") return "a text";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
