// What daprd answers and delivers, kept in answers/ (see record.ts), and what Cufflink does in its place: the same, or
// what the list of differences says.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bindings } from "../../src/bindings/index.ts";
import { daprVersion } from "../../src/version.ts";
import { describe, expect, test } from "vitest";
import { describeWith } from "../servers/describe-with.ts";
import { kinds, type ServerName } from "../servers/kinds.ts";
import { serveCufflink } from "./cufflink.ts";
import { differences, moreMetadata } from "./differences.ts";
import { readGolden, roads } from "./golden.ts";
import { runSuite } from "./run-suite.ts";
import { suites } from "./suites/index.ts";
import type { SeenEvent } from "./app.ts";

/** Bindings that Dapr has not, and those whose server cannot be had to ask daprd with: it wants TLS and Azure's HTTP API. */
const ours = new Set([
  "azure.servicebus.queues",
  "rethinkdb.statechange",
  "amqp",
  "exec",
  "file",
  "grpc",
  "imap",
  "mqtt5",
  "nats",
  "redis.streams",
  "sse",
  "webhook",
  "websocket",
  // Services that cannot be had: daprd could only be asked with our own stand-ins.
  "azure.cosmosdb.gremlinapi",
  "azure.eventgrid",
  "azure.openai",
  "azure.signalr",
  "cloudflare.queues",
  // Known here, and not built.
  "kitex",
  // Signed requests to vendors that have no emulator.
  "alicloud.dingtalk.webhook",
  "alicloud.sls",
  // The streams of daprd's client end with its start: it neither reads nor sends.
  "kubemq",
  // daprd speaks to name servers and brokers by another protocol than that of the proxy.
  "rocketmq",
  // No emulator, and daprd signs by another scheme.
  "huawei.obs",
]);

const nowhere = Object.fromEntries(Object.keys(kinds).map((name) => [name, ""])) as Readonly<
  Record<ServerName, string>
>;

describe.each(suites)("$name", (suite) => {
  const tests = (servers: Readonly<Record<ServerName, string>>): void => {
    test.each(roads)("over %s", async (road) => {
      const golden = readGolden(suite.name)[road];
      const answers = await runSuite(suite, road, servers, (components, app) =>
        serveCufflink(components, app),
      );
      const expected = Object.entries(golden.calls).map(([name, answer]) => {
        const difference = differences.find(
          (one) => one.suite === suite.name && one.calls.includes(name),
        );
        const wanted = difference?.ours(answer) ?? answer;
        if (difference !== undefined)
          expect(wanted, `${name} is no difference`).not.toEqual(answer);
        return [name, wanted];
      });
      expect(answers.calls).toEqual(Object.fromEntries(expected));
      const more = moreMetadata[suite.name]?.more ?? (() => ({}));
      expect(answers.events).toEqual(golden.events.map((event) => withMore(event, more(event))));
    });
  };
  if (suite.servers.length === 0) tests(nowhere);
  else
    describeWith(suite.servers, (servers) => {
      const places = Object.entries(servers).map(
        ([name, { host, port }]) => [name, `${host}:${port}`] as const,
      );
      tests({ ...nowhere, ...(Object.fromEntries(places) as Partial<typeof nowhere>) });
    });
});

/** Over HTTP, names are in lower case. */
function withMore(event: SeenEvent, more: Readonly<Record<string, string>>): SeenEvent {
  const fold = (name: string): string => (event.at.startsWith("/") ? name.toLowerCase() : name);
  const added = Object.entries(more).map(([name, value]) => [fold(name), value]);
  return { ...event, metadata: { ...event.metadata, ...Object.fromEntries(added) } };
}

test("there is one file for each binding that Dapr has too, all of one daprd's", () => {
  const files = readdirSync(join(import.meta.dirname, "answers"));
  const known = bindings.map(({ name }) => name).filter((name) => !ours.has(name));
  expect(files.toSorted()).toEqual(["api", ...known].map((name) => `${name}.json`).toSorted());
  for (const file of files) expect(readGolden(file.replace(".json", "")).daprd).toBe(daprVersion);
});

test("each difference is told of in the docs", () => {
  const page = readFileSync(
    join(import.meta.dirname, "../../docs/dapr-differences.md"),
    "utf8",
  ).replaceAll(/\s+/g, " ");
  for (const { documented } of [...differences, ...Object.values(moreMetadata)])
    expect(page).toContain(documented);
});
