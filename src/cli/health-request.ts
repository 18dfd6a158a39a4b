import type { RequestOptions } from "node:http";
import { setTimeout } from "node:timers/promises";
import { messageOf } from "../errors.ts";
import type { Endpoint } from "../grpc/endpoint.ts";
import { tlsRemedy } from "../grpc/tls-remedy.ts";
import { trustEnvironment } from "../tls/trust-environment.ts";

/** What is asked, of which runtime. */
export type HealthQuestion = {
  readonly endpoint: Endpoint;
  /** The runtime itself, that and its required components, or one component. */
  readonly what: "live" | "ready" | { readonly component: string };
  /** The authority that is trusted, in PEM; `undefined`: those of Node. */
  readonly ca: string | undefined;
  /** Whether any certificate is trusted. */
  readonly insecure: boolean;
  readonly token: string | undefined;
  /** In milliseconds, for one answer. */
  readonly timeout: number;
};

export type HealthAnswer = {
  readonly healthy: boolean;
  /** The HTTP status; `undefined`: there was no answer. */
  readonly status: number | undefined;
  /** Why it is not healthy; empty: it is. */
  readonly reason: string;
  /** Until the answer, in milliseconds. */
  readonly took: number;
};

/** The largest answer that is read, in bytes: a runtime with thousands of components. */
const largestAnswer = 16 << 20;
const longestPause = 1000;

/** Asks once. Never rejects: what has no answer is not healthy. */
export async function askHealth(question: HealthQuestion): Promise<HealthAnswer> {
  const { what } = question;
  const began = performance.now();
  const after = () => performance.now() - began;
  try {
    const { status, body } = await get(
      question,
      paths[typeof what === "string" ? what : "component"],
    );
    const reason =
      typeof what === "string"
        ? reasonOf(status, body)
        : reasonOfComponent(what.component, status, body);
    return { healthy: reason === "", status, reason, took: after() };
  } catch (error) {
    const text = messageOf(error);
    const remedy = tlsRemedy(text);
    const reason = remedy === undefined ? text : `${text.trim()}; ${remedy}`;
    return { healthy: false, status: undefined, reason, took: after() };
  }
}

/** Asks until it is healthy, for `longest` milliseconds; resolves to the last answer that there was. */
export async function askUntilHealthy(
  question: HealthQuestion,
  longest: number,
): Promise<HealthAnswer> {
  const began = performance.now();
  const left = (): number => longest - (performance.now() - began);
  let answer = await askHealth({ ...question, timeout: Math.min(question.timeout, longest) });
  for (let pause = 50; !answer.healthy && left() > 0; pause = Math.min(2 * pause, longestPause)) {
    await setTimeout(Math.min(pause, left()));
    const timeout = Math.min(question.timeout, left());
    if (timeout < 1) break;
    const next = await askHealth({ ...question, timeout });
    // One that was cut short says less than the one before.
    if (next.status !== undefined || timeout === question.timeout || answer.status === undefined)
      answer = next;
  }
  return { ...answer, took: performance.now() - began };
}

const paths = {
  live: "/v1.0/healthz",
  ready: "/v1.0/healthz/ready",
  component: "/v1.0/metadata",
} as const;

async function get(
  { endpoint, ca, insecure, token, timeout }: HealthQuestion,
  path: string,
): Promise<{ status: number; body: string }> {
  if (endpoint.secure && ca === undefined && !insecure)
    await trustEnvironment((text) => void process.stderr.write(`cufflink: ${text}\n`));
  const options: RequestOptions = {
    ...("socket" in endpoint
      ? { socketPath: endpoint.socket, host: "localhost" }
      : { host: endpoint.host, port: endpoint.port }),
    path: `${endpoint.prefix}${path}`,
    headers: { ...(token !== undefined && { "dapr-api-token": token }) },
    agent: false,
    signal: AbortSignal.timeout(timeout),
  };
  const { request } = endpoint.secure ? await import("node:https") : await import("node:http");
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const asked = request({
    ...options,
    ...(endpoint.secure && { ca, rejectUnauthorized: !insecure }),
  });
  asked.once("error", (error) =>
    reject(error.name === "AbortError" ? new Error(`no answer within ${timeout} ms`) : error),
  );
  asked.once("response", (response) => {
    const chunks: Buffer[] = [];
    let length = 0;
    response.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > largestAnswer) response.destroy(new Error("the answer is too large"));
    });
    response.once("error", reject);
    response.once("end", () =>
      resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }),
    );
  });
  asked.end();
  return promise;
}

/** Empty: it is healthy. */
function reasonOf(status: number, body: string): string {
  return status === 204 || status === 200 ? "" : `it answered ${status}${messageIn(body)}`;
}

type Metadata = {
  readonly components?: readonly {
    readonly name: string;
    readonly state: string;
    readonly reason?: string;
  }[];
};

function reasonOfComponent(name: string, status: number, body: string): string {
  if (status !== 200) return `it answered ${status}${messageIn(body)}`;
  const { components = [] } = JSON.parse(body) as Metadata;
  const found = components.find((one) => one.name === name);
  if (found === undefined) return `no component is called ${JSON.stringify(name)}`;
  const because = found.reason === undefined ? "" : `: ${found.reason}`;
  return found.state === "running" ? "" : `${name} is ${found.state}${because}`;
}

/** What the error says, in JSON as Dapr says it, or as text. */
function messageIn(body: string): string {
  try {
    const { message } = JSON.parse(body) as { message?: unknown };
    if (typeof message === "string") return `: ${message}`;
  } catch {
    // It is text.
  }
  const text = body.trim().slice(0, 200);
  return text === "" ? "" : `: ${text}`;
}
