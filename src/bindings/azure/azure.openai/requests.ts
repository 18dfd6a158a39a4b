import { BindingError } from "../../../errors.ts";
import { isObject } from "../../../http-client/service-client.ts";

/** What is asked of a deployment: the last part of the path, and the body. */
export type ModelRequest = { readonly deployment: string; readonly body: object };

type Members = ReadonlyMap<string, unknown>;

const roles = new Set(["user", "assistant", "function", "system", "tool"]);
const longestDeployment = 256;

/** The request of `completion`. Throws a `BindingError`, in Dapr's words where it has some. */
export function completionRequest(data: Uint8Array | undefined): ModelRequest {
  const members = membersOf(data);
  const prompt = textIn(members, "prompt");
  if (prompt === "") throw wrong("prompt is required for completion operation");
  const deployment = deploymentIn(members);
  const maxTokens = numberIn(members, "maxTokens") ?? 16;
  return { deployment, body: { prompt: [prompt], max_tokens: maxTokens, ...settingsIn(members) } };
}

/** The request of `chat-completion`. */
export function chatRequest(data: Uint8Array | undefined): ModelRequest {
  const members = membersOf(data);
  const given = members.get("messages") ?? [];
  if (!Array.isArray(given)) throw unusable("messages is no list");
  if (given.length === 0) throw wrong("messages are required for chat-completion operation");
  const deployment = deploymentIn(members);
  const messages = given.map((one: unknown) => {
    if (!isObject(one)) throw unusable("a message is no object");
    const message = folded(one);
    const role = textIn(message, "role");
    if (!roles.has(role)) throw wrong(`invalid role: ${role}`);
    return { role, content: textIn(message, "message") };
  });
  const maxTokens = numberIn(members, "maxTokens") || undefined;
  const limit = maxTokens === undefined ? {} : { max_tokens: maxTokens };
  return { deployment, body: { messages, ...limit, ...settingsIn(members) } };
}

/** The request of `get-embedding`. */
export function embeddingRequest(data: Uint8Array | undefined): ModelRequest {
  const members = membersOf(data);
  const deployment = deploymentIn(members);
  return { deployment, body: { input: [textIn(members, "message")] } };
}

function settingsIn(members: Members): object {
  const stop = members.get("stop") ?? [];
  if (!Array.isArray(stop) || stop.some((one) => typeof one !== "string"))
    throw unusable("stop is no list of texts");
  // Dapr reads the penalties and does not send them; without them nothing is sent here either.
  const presence = numberIn(members, "presencePenalty") || undefined;
  const frequency = numberIn(members, "frequencyPenalty") || undefined;
  return {
    temperature: numberIn(members, "temperature") ?? 1,
    top_p: numberIn(members, "topP") ?? 1,
    n: numberIn(members, "n") ?? 1,
    ...(stop.length === 0 ? {} : { stop }),
    ...(presence === undefined ? {} : { presence_penalty: presence }),
    ...(frequency === undefined ? {} : { frequency_penalty: frequency }),
  };
}

function membersOf(data: Uint8Array | undefined): Members {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(data ?? []).toString("utf8"));
  } catch {
    throw unusable("it is no JSON");
  }
  // Go reads null as an object without members.
  if (parsed === null) return new Map();
  if (!isObject(parsed)) throw unusable("it is no JSON object");
  return folded(parsed);
}

/** Go finds members in whatever case they are written. */
function folded(value: object): Members {
  return new Map(Object.entries(value).map(([name, one]) => [known(name), one]));
}

const names = [
  ...["deploymentID", "messages", "temperature", "maxTokens", "topP", "n", "presencePenalty"],
  ...["frequencyPenalty", "stop", "role", "message", "prompt"],
];
const byFolded = new Map(names.map((name) => [name.toLowerCase(), name]));

function known(name: string): string {
  return byFolded.get(name.toLowerCase()) ?? name;
}

function textIn(members: Members, name: string): string {
  const value = members.get(name) ?? "";
  if (typeof value !== "string") throw unusable(`${name} is no text`);
  return value;
}

function numberIn(members: Members, name: string): number | undefined {
  const value = members.get(name) ?? undefined;
  if (value !== undefined && typeof value !== "number") throw unusable(`${name} is no number`);
  return value;
}

function deploymentIn(members: Members): string {
  const deployment = textIn(members, "deploymentID");
  if (deployment === "") throw wrong("required metadata not set: deploymentID");
  if (deployment === "." || deployment === ".." || deployment.length > longestDeployment)
    throw wrong("deploymentID is no name of a deployment");
  return deployment;
}

function unusable(why: string): BindingError {
  return wrong(`error unmarshalling the input object: ${why}`);
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
