import { generateKeyPairSync } from "node:crypto";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import type { AnyBinding } from "../../../src/binding.ts";
import queues from "../../../src/bindings/cloudflare.queues/index.ts";
import { withClock } from "../../../src/clock.ts";
import { cloudflareAccount, startCloudflare } from "../../servers/cloudflare.ts";
import { answersOf, examined } from "../examinations/examined.ts";
import { openOutput } from "../opened-output.ts";

const cloudflare = await startCloudflare();
const { asked, messages, scripts, state, uploads } = cloudflare;
const newKey = (): string =>
  generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
const component = {
  ...{ ...cloudflareAccount, workerName: "shop-queues", queueName: "orders", key: newKey() },
  caCert: cloudflare.caCert,
};
const deployment = [
  "GET subdomain",
  "PUT scripts/shop-queues",
  "POST scripts/shop-queues/subdomain",
];
const open = (more: Record<string, string> = {}) => openOutput(queues, { ...component, ...more });

beforeEach(() => {
  vi.stubEnv("HTTPS_PROXY", `http://127.0.0.1:${cloudflare.proxy.port}`);
  vi.stubEnv("https_proxy", "");
  vi.stubEnv("NO_PROXY", "");
  vi.stubEnv("no_proxy", "");
  scripts.clear();
  state.failures.clear();
  state.propagation = 0;
  state.subdomain = "shop";
  asked.length = messages.length = uploads.length = 0;
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => cloudflare[Symbol.asyncDispose]());

test("a worker that is not there is deployed, and sends messages", async () => {
  await using output = await open();
  await output.invoke("create", {}, { data: "hello" });
  await output.ping();
  expect(messages).toEqual([{ queue: "orders", text: "hello" }]);
  expect(asked).toEqual(deployment);
  expect(uploads).toMatchObject([
    {
      ...{ main_module: "worker.js", compatibility_date: "2022-12-09", usage_model: "bundled" },
      bindings: [
        { type: "queue", name: "orders", queue_name: "orders" },
        { type: "plain_text", name: "PUBLIC_KEY", text: expect.stringMatching(/BEGIN PUBLIC KEY/) },
        { type: "plain_text", name: "TOKEN_AUDIENCE", text: "shop-queues" },
      ],
    },
  ]);
  const logged = JSON.stringify(Object.values(output.logger).map(({ mock }) => mock.calls));
  expect(logged).toContain("https://shop-queues.shop.workers.dev/");
  expect(logged).not.toContain(component.cfAPIToken);
  expect(logged).not.toContain("PRIVATE KEY");
});

test("a worker that answers well is not deployed again", async () => {
  await (await open())[Symbol.asyncDispose]();
  asked.length = 0;
  await (await open())[Symbol.asyncDispose]();
  expect(asked).toEqual(["GET subdomain"]);
});

test("components that share a worker keep each other's queues", async () => {
  await using orders = await open();
  await using invoices = await open({ queueName: "invoices" });
  await orders.invoke("create", {}, { data: "1" });
  await invoices.invoke("create", {}, { data: "2" });
  expect(messages).toEqual([
    { queue: "orders", text: "1" },
    { queue: "invoices", text: "2" },
  ]);
  asked.length = 0;
  await (await open())[Symbol.asyncDispose]();
  expect(asked).toEqual(["GET subdomain"]);
});

test("components that deploy the same worker at once end with both queues", async () => {
  const outputs = await Promise.all([open(), open({ queueName: "invoices" }), open()]);
  for (const output of outputs) await output.invoke("create", {}, { data: "x" });
  expect(messages.map(({ queue }) => queue)).toEqual(["orders", "invoices", "orders"]);
  for (const output of outputs) await output[Symbol.asyncDispose]();
});

test("another key is deployed in place of the one before", async () => {
  await (await open())[Symbol.asyncDispose]();
  await using output = await open({ key: newKey() });
  await output.invoke("create", {}, { data: "x" });
  expect(messages).toHaveLength(1);
  expect(uploads).toHaveLength(2);
});

/** The binding whose connections are all opened to be examined. */
const examining: AnyBinding = {
  ...queues,
  open: (opening: Parameters<typeof queues.open>[0]) => queues.open({ ...opening, examines: true }),
};

/** Each pause is over at once, and the time with it. */
function hurried() {
  let time = 0;
  return {
    now: () => Date.now(),
    elapsed: () => time,
    start(run: () => void, milliseconds: number) {
      time += milliseconds;
      const immediate = setImmediate(run);
      const timer = { cancel: () => clearImmediate(immediate), unref: () => timer };
      return timer;
    },
  };
}

test("a worker that takes a while is waited for, by pauses of 3 s", async () => {
  const clock = hurried();
  await withClock(clock, async () => {
    state.propagation = 4;
    await using output = await open();
    expect(clock.elapsed()).toBe(12_000);
    expect(asked).toEqual(deployment);
    await output.ping();
  });
});

test("a worker that is not there after a minute is a failure", async () => {
  state.propagation = Infinity;
  await withClock(hurried(), () =>
    expect(open()).rejects.toThrow(
      "worker was not ready in 1 minute; last check failed with error: invalid response status code: 404",
    ),
  );
});

const [subdomainStep, uploadStep, routeStep] = [
  "error retrieving the workers subdomain from the Cloudflare APIs: ",
  "error deploying or updating the worker with the Cloudflare APIs: ",
  "error enabling the workers.dev route for the worker: ",
];
test.each([
  ["GET subdomain", subdomainStep],
  ["PUT scripts/shop-queues", uploadStep],
  ["POST scripts/shop-queues/subdomain", routeStep],
])("failures of %s name the step and the remedy", async (step, prefix) => {
  const cases = [
    [401, 10000, "cfAPIToken is wrong or has expired", "unauthenticated"],
    [403, 10000, "the permission 'Workers Scripts: Edit'", "permission_denied"],
    [429, 971, "try again later", "resource_exhausted"],
    [503, 10013, "cloudflarestatus.com", "unavailable"],
    [400, 10063, "open Workers in Cloudflare's dashboard", "invalid_argument"],
  ] as const;
  for (const [status, code, remedy, reason] of cases) {
    state.failures.set(step, [status, code, "no"]);
    const failure = await open().catch((error: unknown) => error);
    expect(failure).toMatchObject({ reason, message: expect.stringContaining(remedy) });
    const said = `${prefix}invalid response status code: ${status} (no, code ${code}); `;
    expect((failure as Error).message).toContain(said);
  }
  state.failures.set(step, "hang");
  await expect(open({ timeoutInSeconds: "1" })).rejects.toMatchObject({
    reason: "deadline_exceeded",
    message: expect.stringMatching(new RegExp(`^${prefix}.*1000 ms \\(timeoutInSeconds\\)`)),
  });
});

test.each([null, "", "shop.evil/x"])("the subdomain %j is none", async (subdomain) => {
  state.subdomain = subdomain;
  await expect(open()).rejects.toThrow(`${subdomainStep}the account has no workers.dev subdomain`);
  expect(asked).toEqual(["GET subdomain"]);
});

test("an examination deploys nothing", async () => {
  const before = await answersOf(examining, component);
  expect(before).toMatchObject({ reachable: "passed", "exists queue orders": "failed" });
  await (await open())[Symbol.asyncDispose]();
  expect(asked.filter((step) => step !== "GET subdomain")).toEqual(deployment.slice(1));
  asked.length = 0;
  const all = { reachable: "passed", authenticated: "passed", "exists queue orders": "passed" };
  expect(await answersOf(examining, component)).toMatchObject(all);
  const stranger = await answersOf(examining, { ...component, cfAPIToken: "other" });
  expect(stranger).toMatchObject({ reachable: "passed", authenticated: "failed" });
  expect(new Set(asked)).toEqual(new Set(["GET subdomain"]));
  expect(messages).toEqual([]);
});

test("a token that Cloudflare repeats is not shown", async () => {
  const { cfAPIToken } = component;
  state.failures.set("GET subdomain", [401, 10000, `unknown: ${cfAPIToken}`]);
  const shown = JSON.stringify(await examined(examining, component));
  expect(shown).toContain("unknown: ***");
  expect(shown).not.toContain(cfAPIToken);
});

test.each([
  [{ workerName: "Shop Queues" }, "workerName: a worker is deployed under"],
  [{ workerName: "a".repeat(64) }, "workerName: a worker is deployed under"],
  [{ cfAccountID: "../x" }, "metadata property 'cfAccountID' is invalid"],
  [{ cfAPIToken: "a\nb" }, "metadata property 'cfAPIToken' is invalid"],
  [{ cfAPIToken: "" }, "either 'workerUrl' or the combination"],
  [{ queueName: "PUBLIC_KEY" }, "a deployed worker has a variable PUBLIC_KEY"],
])("the metadata %.60j are refused", async (properties, message) => {
  await expect(open(properties as Record<string, string>)).rejects.toThrow(message);
  expect(asked).toEqual([]);
});
