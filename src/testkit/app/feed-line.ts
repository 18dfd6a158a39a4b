import { parseDuration } from "../../metadata/duration.ts";
import { closest } from "../../metadata/suggest.ts";
import type { TestEvent } from "./input.ts";
import type { ScriptedAnswer } from "./output.ts";

/** What a line of a feed asks for. */
export type FeedLine =
  | { readonly kind: "event"; readonly input: string; readonly event: TestEvent }
  | {
      readonly kind: "answer";
      readonly output: string;
      readonly operation: string;
      readonly answer: ScriptedAnswer;
    }
  | { readonly kind: "wait"; readonly milliseconds: number };

const payloadFields = ["json", "text", "base64"];
const fieldsOf = {
  input: ["input", ...payloadFields, "key", "headers", "metadata", "id", "partition"],
  output: ["output", "operation", ...payloadFields, "metadata"],
  wait: ["wait"],
};

/** Reads a line of a feed, one JSON object. Throws an `Error` that says what is wrong with it. */
export function parseFeedLine(text: string): FeedLine {
  const line = objectOf(text);
  const kind = (["input", "output", "wait"] as const).find((one) => line[one] !== undefined);
  if (kind === undefined)
    throw new Error(
      'it has none of "input", "output" and "wait", such as {"input":"orders","json":{"id":1}}',
    );
  for (const name of Object.keys(line)) {
    if (fieldsOf[kind].includes(name)) continue;
    const meant = closest(name, fieldsOf[kind]);
    const hint =
      meant === undefined ? `it may have ${fieldsOf[kind].join(", ")}` : `did you mean ${meant}?`;
    throw new Error(`it has no field ${JSON.stringify(name)}; ${hint}`);
  }
  const wait = parseDuration(textIn(line, "wait") ?? "", Number.NaN);
  if (kind === "wait") {
    if (wait === undefined || wait <= 0)
      throw new Error(`"wait" is no duration such as "5s": ${JSON.stringify(line["wait"])}`);
    return { kind, milliseconds: wait };
  }
  const metadata = textsIn(line, "metadata");
  const payload = payloadOf(line);
  if (kind === "output") {
    const answer = { ...payload, ...(metadata && { metadata }) };
    const operation = textIn(line, "operation");
    if (operation === undefined) throw new Error('an answer needs its "operation"');
    return { kind: "answer", output: textIn(line, "output") ?? "", operation, answer };
  }
  const headers = textsIn(line, "headers");
  const parts = ["key", "id", "partition"].flatMap((name) => {
    const value = textIn(line, name);
    return value === undefined ? [] : [[name, value]];
  });
  const event: TestEvent = {
    ...payload,
    ...(metadata && { metadata }),
    ...(headers && { headers }),
    ...(Object.fromEntries(parts) as Pick<TestEvent, "key" | "id" | "partition">),
  };
  return { kind: "event", input: textIn(line, "input") ?? "", event };
}

function objectOf(text: string): Record<string, unknown> {
  let line: unknown;
  try {
    // Some editors write a byte order mark in front of the first line.
    line = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new Error(`it is no JSON: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  if (typeof line === "object" && line !== null && !Array.isArray(line))
    return line as Record<string, unknown>;
  throw new Error("it is no JSON object");
}

function textIn(line: Record<string, unknown>, name: string): string | undefined {
  const value = line[name];
  if (value === undefined || typeof value === "string") return value;
  throw new Error(`${JSON.stringify(name)} must be a text`);
}

function textsIn(line: Record<string, unknown>, name: string): Record<string, string> | undefined {
  const value = line[name];
  if (value === undefined) return undefined;
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (isObject && Object.values(value).every((one) => typeof one === "string"))
    return value as Record<string, string>;
  throw new Error(`${JSON.stringify(name)} must be an object of texts`);
}

function payloadOf(line: Record<string, unknown>): { data?: Uint8Array | string; json?: unknown } {
  const given = payloadFields.filter((name) => line[name] !== undefined);
  if (given.length > 1) throw new Error(`it has both ${given.join(" and ")}; one is the payload`);
  const text = textIn(line, "text");
  if (text !== undefined) return { data: text };
  const base64 = textIn(line, "base64");
  if (base64 !== undefined) {
    const data = Buffer.from(base64, "base64");
    if (data.toString("base64").replaceAll("=", "") !== base64.replaceAll(/[=\s]/g, ""))
      throw new Error('"base64" is no base64');
    return { data };
  }
  return "json" in line ? { json: line["json"] } : {};
}

/** A payload as a feed would say it: as JSON, else as text, else as base64. Nothing: there is none. */
export function shownPayload(data: Uint8Array | undefined): Record<string, unknown> {
  if (data === undefined) return {};
  const bytes = Buffer.from(data);
  const text = bytes.toString("utf8");
  if (!Buffer.from(text).equals(bytes)) return { base64: bytes.toString("base64") };
  try {
    const json = JSON.parse(text) as unknown;
    // One that would be another text, as a number with too many digits, is shown as it is.
    if (typeof json === "object" && json !== null) return { json };
  } catch {
    // It is no JSON.
  }
  return { text };
}
