import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { CallerGate } from "../../../src/server/caller-gate.ts";
import type { JsonObject } from "../../../src/kubernetes/inject/json.ts";
import { startInjector } from "../../../src/kubernetes/injector/injector.ts";
import { until } from "../../until.ts";
import { asking, options } from "../inject/objects.ts";
import { KnownConfiguration } from "./known-configuration.ts";

const host = "cufflink-injector.cufflink.svc";

async function start(configuration = new KnownConfiguration()) {
  const admitted: string[] = [];
  const problems: string[] = [];
  const injector = await startInjector({
    ...options,
    ...{ configuration, hosts: [host], port: 0, listenAddress: "127.0.0.1" },
    ...{ namespace: "cufflink", interval: 10, farewell: 0, validity: 3_600_000 },
    onAdmission: ({ outcome, pod }) => admitted.push(`${outcome} ${pod}`),
    onProblem: (message) => problems.push(message),
    onTrusted: () => undefined,
    gate: new CallerGate({ allowedOrigins: [], allowedHosts: [host] }),
  });
  let isClosed = false;
  const close = async (): Promise<void> => {
    if (!isClosed) await injector.close();
    isClosed = true;
  };
  onTestFinished(close);
  const ask = async (
    method: string,
    path: string,
    body = "",
    type = "application/json",
    more: Record<string, string> = {},
  ): Promise<{ status: number; body: string }> => {
    const asked = request({
      ...{ host: "127.0.0.1", port: injector.port, servername: host, agent: false },
      ...{ method, path, ca: configuration.bundle, headers: { "content-type": type, ...more } },
    });
    // It may be ended before all of a refused body is sent.
    asked.on("error", () => undefined);
    asked.end(body);
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    return { status: response.statusCode ?? 0, body: await text(response) };
  };
  const review = async (object: JsonObject, namespace = "shop"): Promise<Answer> => {
    const request = {
      ...{ uid: "u-1", kind: { group: "", version: "v1", kind: "Pod" }, namespace },
      ...{ operation: "CREATE", object },
    };
    const sent = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request };
    const { status, body } = await ask("POST", "/inject", JSON.stringify(sent));
    expect(status).toBe(200);
    return (JSON.parse(body) as { response: Answer }).response;
  };
  /** Sends so many bytes of a review, and its end later. */
  const open = (path: string, size: number) => {
    const asked = request({
      ...{ host: "127.0.0.1", port: injector.port, servername: host, agent: false },
      ...{ method: "POST", path, ca: configuration.bundle },
      headers: { "content-type": "application/json" },
    });
    asked.on("error", () => undefined);
    asked.write("x".repeat(size));
    const status = once(asked, "response").then(
      ([response]: IncomingMessage[]) => response?.resume().statusCode,
    );
    return { status, end: () => asked.end() };
  };
  return { open, configuration, injector, admitted, problems, ask, review, close };
}

type Answer = {
  uid: string;
  allowed: boolean;
  patchType?: string;
  patch?: string;
  warnings?: string[];
  status?: { code: number; message: string };
};

const pod = (annotations: JsonObject, more: JsonObject = {}): JsonObject => ({
  metadata: { generateName: "orders-7d-", annotations },
  spec: { containers: [{ name: "app", image: "app:1" }], ...more },
});

test("a pod that asks for it gets the sidecar by a JSON patch", async () => {
  const { injector, review, admitted } = await start();
  await until(() => injector.isReady(), { what: "readiness" });
  const answer = await review(pod(asking({ "enable-profiling": "true" })));
  expect(answer).toMatchObject({ uid: "u-1", allowed: true, patchType: "JSONPatch" });
  const patch = JSON.parse(Buffer.from(answer.patch ?? "", "base64").toString()) as object[];
  expect(patch).toContainEqual(
    expect.objectContaining({
      ...{ op: "add", path: "/spec/initContainers" },
      value: [expect.objectContaining({ name: "cufflink", restartPolicy: "Always" })],
    }),
  );
  expect(JSON.stringify(patch)).not.toContain('"/kind"');
  expect(answer.warnings?.join()).toContain("dapr.io/enable-profiling has no effect");
  expect(admitted).toEqual(["patched shop/orders-7d-"]);
});

test("a pod that cannot have it is refused, others pass as they are", async () => {
  const { injector, review } = await start();
  await until(() => injector.isReady(), { what: "readiness" });
  const refused = await review(pod(asking(), { containers: [{ name: "daprd" }] }));
  expect(refused.allowed).toBe(false);
  expect(refused.status?.code).toBe(403);
  expect(refused.status?.message).toContain("a container named daprd");
  expect(await review(pod({}))).toEqual({ uid: "u-1", allowed: true });
  expect(await review(pod(asking()), "cufflink")).toEqual({ uid: "u-1", allowed: true });
});

test("what is no review is refused, and not held", async () => {
  const { injector, ask, problems } = await start();
  await until(() => injector.isReady(), { what: "readiness" });
  expect((await ask("POST", "/inject", "{")).status).toBe(400);
  expect((await ask("POST", "/inject", "{}")).body).toContain("no AdmissionReview");
  expect((await ask("POST", "/inject", "{}", "text/plain")).status).toBe(415);
  expect((await ask("GET", "/inject")).status).toBe(405);
  expect((await ask("GET", "/other")).status).toBe(404);
  expect((await ask("POST", "/inject", "x".repeat(9 << 20))).status).toBe(413);
  expect((await ask("GET", "/livez")).status).toBe(200);
  expect(problems).toHaveLength(2);
});

test("a review without end is told so, and those that come at one time are held up to a limit", async () => {
  const { injector, ask, open: begin, problems } = await start();
  await until(() => injector.isReady(), { what: "readiness" });
  expect((await ask("POST", "/inject", "x".repeat(64 << 20))).status).toBe(413);
  // Each is held until its end, which does not come yet.
  const open = Array.from({ length: 4 }, () => begin("/inject", 7.5 * (1 << 20)));
  expect(await Promise.race(open.map(({ status }) => status))).toBe(503);
  expect(problems.at(-1)).toContain("too many reviews");
  for (const { end } of open) end();
  const statuses = await Promise.all(open.map(({ status }) => status));
  expect(statuses.toSorted((one = 0, other = 0) => one - other)).toEqual([
    ...Array<number>(3).fill(400),
    503,
  ]);
  // All of it was let go.
  expect((await ask("POST", "/inject", "x".repeat(7 << 20))).status).toBe(400);
});

test("a web page gets no answer, nor one that made its name lead here", async () => {
  const { injector, ask } = await start();
  await until(() => injector.isReady(), { what: "readiness" });
  const statusOf = async (headers: Record<string, string>): Promise<number> =>
    (await ask("POST", "/inject", "{}", "application/json", headers)).status;
  expect(await statusOf({ origin: "https://evil.example" })).toBe(403);
  expect(await statusOf({ host: "evil.example" })).toBe(403);
  expect(await statusOf({ host })).toBe(400);
});

test("is ready once the API server knows its certificate, and again after it was away", async () => {
  const configuration = new KnownConfiguration();
  configuration.trouble = "no answer";
  const { injector, ask, problems } = await start(configuration);
  await until(() => problems.length > 0, { what: "problems" });
  expect(injector.isReady()).toBe(false);
  configuration.trouble = undefined;
  await until(() => injector.isReady(), { what: "readiness" });
  expect((await ask("GET", "/readyz")).status).toBe(200);
});

test("takes its certificate out at the end", async () => {
  const { configuration, injector, close } = await start();
  await until(() => injector.isReady(), { what: "readiness" });
  expect(configuration.bundle).not.toBe("");
  await close();
  expect(configuration.bundle).toBe("");
});
