import { expect, test, vi } from "vitest";
import gremlin from "../../../../src/bindings/azure/azure.cosmosdb.gremlinapi/index.ts";
import { openOutput } from "../../opened-output.ts";
import { login, query, startGremlin, type Part } from "./stand-in.ts";

const soon = { timeout: 10_000, interval: 5 };
const failed = "CosmosDBGremlinAPI Error:error excuting gremlin: ";
type Answer = { readonly data?: Uint8Array | undefined } | undefined;
const textOf = (answer: Answer): string => Buffer.from(answer?.data ?? []).toString();

async function opened(more: Record<string, string> = {}) {
  const server = await startGremlin();
  const output = await openOutput(gremlin, { ...server.properties, ...more });
  return { ...server, output };
}

test("query: answers the result as the server wrote it, and how long it took", async () => {
  const { output, asked, state } = await opened();
  await using _ = output;
  const data = `[ {"@type":"g:Int64","@value":9007199254740993}, "ü \\" ]}" ]`;
  state.answer = () => [
    {
      ...{ code: 200, data },
      attributes: { "x-ms-total-request-charge": 3.5, "x-ms-activity-id": "a-1", other: {} },
    },
  ];
  const answer = await output.invoke("query", {}, query("g.V(id)", { bindings: { id: "1" } }));
  expect(textOf(answer)).toBe(data);
  expect(answer?.metadata).toEqual({
    ...{ operation: "query", gremlin: "g.V(id)" },
    "start-time": expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/) as string,
    "end-time": expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/) as string,
    duration: expect.stringMatching(/^[\d.]+(ms|µs|s)$/) as string,
    ...{ "x-ms-total-request-charge": "3.5", "x-ms-activity-id": "a-1" },
  });
  expect(asked).toEqual([{ gremlin: "g.V(id)", bindings: { id: "1" } }]);
  expect(await output.ping()).toBeUndefined();
});

test("opening asks nothing, and one connection is challenged once, whatever runs on it", async () => {
  const { output, asked, state } = await opened();
  await using _ = output;
  expect([state.connections, state.challenges, asked.length]).toEqual([1, 0, 0]);
  state.answer = ({ gremlin: text }) => [{ code: 200, data: JSON.stringify([text]) }];
  const texts = Array.from({ length: 100 }, (_none, n) => `g.V(${n})`);
  const answers = await Promise.all(texts.map((text) => output.invoke("query", {}, query(text))));
  expect(answers.map(textOf)).toEqual(texts.map((text) => JSON.stringify([text])));
  expect([state.connections, state.challenges]).toEqual([1, 1]);
});

test.each([
  ["one", [{ code: 200, data: "[1, 2]" }], "[1, 2]"],
  ["none", [{ code: 204, data: "[]" }], "[]"],
  ["null", [{ code: 204 }], "null"],
  [
    "several",
    [
      { code: 206, data: '["a]", [1]]' },
      { code: 206, data: "[ ]" },
      { code: 206, data: "[{}]" },
      { code: 204 },
    ],
    '["a]", [1],{}]',
  ],
] as readonly [string, readonly Part[], string][])(
  "query: a result in parts, %s",
  async (_what, parts, expected) => {
    const { output, state } = await opened();
    await using _ = output;
    state.answer = () => parts;
    expect(textOf(await output.invoke("query", {}, query("g.V()")))).toBe(expected);
  },
);

test.each([
  [{ code: 403 }, { reason: "permission_denied", effect: "rejected", systemCode: "403" }],
  [{ code: 498 }, { reason: "invalid_argument", effect: "rejected", systemCode: "498" }],
  [{ code: 499 }, { reason: "invalid_argument", effect: "rejected", systemCode: "499" }],
  [{ code: 500 }, { reason: "internal", effect: "ambiguous", systemCode: "500" }],
  [{ code: 596 }, { reason: "unavailable", effect: "ambiguous" }],
  [{ code: 597 }, { reason: "invalid_argument", effect: "ambiguous", systemCode: "597" }],
  [{ code: 598 }, { reason: "deadline_exceeded", effect: "ambiguous" }],
  [{ code: 599 }, { reason: "internal", effect: "ambiguous" }],
  [
    {
      code: 500,
      attributes: {
        ...{ "x-ms-status-code": 429, "x-ms-retry-after-ms": "00:00:09.0530000" },
        "x-ms-total-request-charge": 3779.34,
      },
    },
    { reason: "resource_exhausted", effect: "ambiguous", systemCode: "429", retryAfter: 9053 },
  ],
  [
    {
      code: 500,
      attributes: {
        ...{ "x-ms-status-code": { "@type": "g:Int32", "@value": 429 } },
        ...{ "x-ms-retry-after-ms": "1.01:01:01", "x-ms-total-request-charge": 0 },
      },
    },
    { reason: "resource_exhausted", effect: "unsent", retryAfter: 90_061_000 },
  ],
  ...(
    [
      [404, "not_found", "ambiguous"],
      [409, "already_exists", "ambiguous"],
      [412, "aborted", "ambiguous"],
      [1000, "invalid_argument", "ambiguous"],
      [1001, "internal", "ambiguous"],
      [1003, "resource_exhausted", "ambiguous"],
      [1004, "invalid_argument", "rejected"],
      [1007, "unavailable", "ambiguous"],
      [1009, "deadline_exceeded", "ambiguous"],
    ] as const
  ).map(([code, reason, effect]) => [
    { code: 500, attributes: { "x-ms-status-code": code } },
    { reason, effect, systemCode: String(code) },
  ]),
] as readonly [Part, object][])("query: what %j means", async (part, expected) => {
  const { output, state } = await opened();
  await using _ = output;
  state.answer = () => [
    { code: 206, data: "[1]" },
    { message: " words\r\n", ...part },
  ];
  await expect(output.invoke("query", {}, query("g.V()"))).rejects.toMatchObject({
    ...{ message: `${failed}words`, ...expected },
  });
  state.answer = () => [{ code: 200, data: "[2]" }];
  expect(textOf(await output.invoke("query", {}, query("g.V()")))).toBe("[2]");
});

test("query: a wrong key is told, nothing runs, and the next query logs in anew", async () => {
  const { output, asked, state } = await opened({ masterKey: "wrong" });
  await using _ = output;
  for (const times of [1, 2]) {
    await expect(output.invoke("query", {}, query("g.V()"))).rejects.toMatchObject({
      ...{ reason: "unauthenticated", effect: "rejected", systemCode: "401" },
      message: `${failed}Unauthorized: Invalid credentials provided`,
    });
    expect(state.challenges).toBe(times);
  }
  expect(asked).toEqual([]);
});

test.each([
  ["no data", undefined, "CosmosDBGremlinAPI Error: Cannot convert request data"],
  ["no JSON", "g.V()", "CosmosDBGremlinAPI Error: Cannot convert request data"],
  ["no object", "[]", "CosmosDBGremlinAPI Error: Cannot convert request data"],
  ["no query", "{}", "CosmosDBGremlinAPI Error: missing data - gremlin query not set"],
  ["an empty query", '{"gremlin":""}', "missing data - gremlin query not set"],
  ["a query that is no text", '{"gremlin":7}', "missing data - gremlin query not set"],
  ["bindings that are none", '{"gremlin":"g","bindings":[]}', "bindings is no object"],
])("query: %s is refused, and nothing is sent", async (_what, data, message) => {
  const { output, asked } = await opened();
  await using _ = output;
  await expect(
    output.invoke("query", {}, data === undefined ? {} : { data }),
  ).rejects.toMatchObject({
    ...{ reason: "invalid_argument", message: expect.stringContaining(message) as string },
  });
  expect(asked).toEqual([]);
});

test("a cut in the middle leaves open what was done; the next query has a connection of its own", async () => {
  const { output, asked, state } = await opened();
  await using _ = output;
  state.answer = () => [{ code: 206, data: "[1]" }];
  const cut = output.invoke("query", {}, query("g.addV()"));
  const other = output.invoke("query", {}, query("g.addV()"));
  const outcomes = Promise.allSettled([cut, other]);
  await vi.waitFor(() => expect(asked).toHaveLength(2), soon);
  for (const socket of state.sockets) socket.terminate();
  for (const { reason } of (await outcomes) as PromiseRejectedResult[])
    expect(reason).toMatchObject({ reason: "unavailable", effect: "ambiguous" });
  state.answer = () => [{ code: 200, data: "[2]" }];
  expect(textOf(await output.invoke("query", {}, query("g.V()")))).toBe("[2]");
  expect([asked.length, state.connections]).toEqual([3, 2]);
});

test("a query that is cancelled is given up, and what still comes is dropped", async () => {
  const { output, asked, state } = await opened();
  await using _ = output;
  state.answer = () => undefined;
  const control = new AbortController();
  const cancelled = output.invoke("query", {}, { ...query("g.V()"), signal: control.signal });
  const outcome = expect(cancelled).rejects.toMatchObject({
    ...{ reason: "cancelled", effect: "ambiguous" },
  });
  await vi.waitFor(() => expect(asked).toHaveLength(1), soon);
  control.abort();
  await outcome;
  state.answer = () => [{ code: 200, data: "[2]" }];
  expect(textOf(await output.invoke("query", {}, query("g.V()")))).toBe("[2]");
  expect(state.connections).toBe(1);
});

test.each([
  ["no JSON", "hello"],
  ["no status", "{}"],
  ["half of one", '{"requestId":"1","status":{"code":200}'],
  ["a failure of no request", '{"requestId":null,"status":{"code":500,"message":"x"},"result":{}}'],
])("a server that answers %s loses the connection", async (_what, raw) => {
  const { output, state } = await opened();
  await using _ = output;
  state.raw = raw;
  await expect(output.invoke("query", {}, query("g.V()"))).rejects.toMatchObject({
    ...{ reason: "internal", effect: "ambiguous" },
  });
  state.raw = undefined;
  expect(textOf(await output.invoke("query", {}, query("g.V()")))).toBe("[1]");
});

test("a result that the memory has no room for is dropped", async () => {
  const { output, state } = await opened();
  await using _ = output;
  const part = JSON.stringify(["x".repeat(16 << 20)]);
  state.answer = () => Array.from({ length: 5 }, () => ({ code: 206, data: part }));
  await expect(output.invoke("query", {}, query("g.V()"))).rejects.toMatchObject({
    ...{ reason: "resource_exhausted", effect: "ambiguous" },
  });
  state.answer = () => [{ code: 200, data: "[2]" }];
  expect(textOf(await output.invoke("query", {}, query("g.V()")))).toBe("[2]");
});

test("a server that is not there, or refuses the WebSocket, gets nothing", async () => {
  const refusing = await startGremlin({ verifyClient: (_info, done) => done(false, 401) });
  await expect(openOutput(gremlin, refusing.properties)).rejects.toMatchObject({
    ...{ reason: "unauthenticated", effect: "unsent", systemCode: "401" },
  });
  const { output, close } = await opened();
  await using _ = output;
  await close();
  await vi.waitFor(
    () =>
      expect(output.invoke("query", {}, query("g.V()"))).rejects.toMatchObject({
        ...{ reason: "unavailable", effect: "unsent", systemCode: "ECONNREFUSED" },
      }),
    soon,
  );
  await expect(output.ping()).rejects.toMatchObject({ reason: "unavailable" });
});

test.each([
  ["url", "https://shop", "ws:// or wss://"],
  ["url", "wss://", "URL"],
  ["username", "a\0b", "NUL"],
])("metadata that cannot be used: %s", async (field, value, why) => {
  const properties = { url: "ws://127.0.0.1:1", ...login, [field]: value };
  await expect(openOutput(gremlin, properties)).rejects.toThrow(why);
});
