// Every command of the README and of the docs is run, and what they show of its output is compared with what it says.
import { execFile } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startHttpApp } from "../cli/http-app.ts";
import { startDaemon } from "../e2e/daemon.ts";
import { kafkaProducer } from "../e2e/producers.ts";
import { folder } from "../resources/folder.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { until } from "../until.ts";
import { blocks, placeOf, root, type Block } from "./pages.ts";

const all = blocks();
/** Pages that a test of their own follows: test/package.test.ts, tour.test.ts and migrating.test.ts. */
const followed = new Set([
  ...["docs/own-bindings.md", "docs/tour.md", "docs/migrating-from-daprd.md", "docs/console.md"],
]);
const commandsOfCheckout = all.filter(
  ({ language, page }) =>
    language === "sh" && !page.startsWith("scripts/package/") && !followed.has(page),
);
/** Scripts of package.json, which have tests of their own or take long. */
const isScript = ({ text }: Block) => /^(DAPRD=\S+ )?npm /m.test(text);

test("each script that the pages name is there", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  const named = commandsOfCheckout
    .filter(isScript)
    .flatMap(({ text }) =>
      Array.from(text.matchAll(/npm (?:run )?([\w:]+)/g), ([, name]) => name ?? ""),
    );
  expect(named).toContain("start");
  expect(named.filter((name) => name !== "ci" && !Object.hasOwn(scripts, name))).toEqual([]);
});

describeWith(["kafka", "redis"], ({ kafka, redis }) => {
  test(
    "the commands of all pages work, and print what the pages show",
    { timeout: 120_000 },
    async () => {
      await using world = await startWorld(kafka, redis);
      for (const block of commandsOfCheckout.filter((one) => !isScript(one))) {
        const said = await world.run(block);
        const shown = outputOf(block);
        if (shown?.language === "json") expectJson(said, shown);
        else if (shown !== undefined) {
          expect(world.comparable(said), placeOf(shown)).toBe(world.comparable(shown.text));
        }
      }
    },
  );
});

/** The block below a command, with nothing between the two but an empty line, if there is one. */
function outputOf(block: Block): Block | undefined {
  const next = block.line + block.text.split("\n").length + 3;
  return all.find(
    ({ page, line, language }) =>
      page === block.page && line === next && (language === "" || language === "json"),
  );
}

/** A runtime with the components that the pages speak of, an app that has refused some events, and a shell. */
async function startWorld(
  kafka: { readonly brokers: string; createTopic(name: string, partitions: number): Promise<void> },
  redis: { readonly host: string; readonly port: number },
) {
  const { brokers } = kafka;
  const topic = uniqueName("orders");
  await kafka.createTopic(topic, 1);
  let isMended = false;
  let hasRefused = false;
  const app = await startHttpApp(async (path, body) => {
    const number = Number(body.toString());
    if (path !== "/orders") return { status: 404 };
    if (number === 42 && !hasRefused) {
      hasRefused = true;
      return { status: 500 };
    }
    if (isMended || Number.isNaN(number) || number < 38 || number === 42) return { status: 200 };
    return { status: 500, body: number < 40 ? "no such customer" : "timeout at the bank" };
  });
  const local = ["notes", "files", "storage", "archive", "sms"].map((name) => ({
    ...{ name, type: "bindings.localstorage", metadata: { rootPath: folder({}) } },
  }));
  const daemon = await startDaemon({
    components: [
      ...local,
      {
        name: "cache",
        type: "bindings.redis",
        metadata: { redisHost: `${redis.host}:${redis.port}` },
      },
      {
        name: "orders",
        type: "bindings.kafka",
        metadata: {
          ...{ brokers, topics: topic, consumerGroup: topic, authType: "none" },
          ...{ initialOffset: "oldest", direction: "input" },
        },
      },
      `apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: { name: quick }
spec:
  policies: { retries: { twice: { policy: constant, duration: 10ms, maxRetries: 1 } } }
  targets: { components: { orders: { inbound: { retry: twice } } } }
`,
    ],
    flags: ["--app-port", String(app.port), "--state-dir", folder({})],
  });
  const bin = folder({});
  const tool = (name: string, script: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  tool("cufflink", `exec ${join(root, "bin/cufflink")} "$@"`);
  tool("editor", `printf ' mended' >> "$1"`);
  // Its flags, as buf takes them.
  tool("grpcurl", 'exec buf curl --protocol grpc --http2-prior-knowledge -d @- "http://$4/$5"');
  const env = {
    ...process.env,
    PATH: [bin, join(root, "node_modules/.bin"), process.env["PATH"]].join(delimiter),
    DAPR_GRPC_PORT: String(daemon.grpcPort),
    EDITOR: join(bin, "editor"),
  };
  const sh = async (command: string): Promise<string> =>
    (await promisify(execFile)("/bin/sh", ["-e", "-c", command], { env, cwd: bin })).stdout;
  const letters = async () =>
    JSON.parse(await sh("cufflink dead-letters --json")) as { id: string; reason: string }[];

  await using producer = await kafkaProducer(brokers, topic);
  for (let number = 0; number <= 42; number++) await producer.send(String(number), String(number));
  await until(async () => (await letters()).length === 4, {
    what: () => `four dead letters:\n${daemon.output()}`,
    within: 30_000,
  });
  isMended = true;
  const chosen = (await letters()).find(({ reason }) => !reason.includes("timeout"))?.id;

  return {
    async run(block: Block): Promise<string> {
      const local = block.text
        .replaceAll("127.0.0.1:3500", `127.0.0.1:${daemon.httpPort}`)
        .replaceAll("127.0.0.1:50001", `127.0.0.1:${daemon.grpcPort}`)
        .replaceAll("orders[0]", `${topic}[0]`)
        .replaceAll(/ ID\b/g, ` ${chosen}`)
        // Nobody answers its question here, and no letter is as old.
        .replace(/^cufflink dead-letters drop .*$/m, "$& --yes || [ $? = 1 ]")
        // Another page has redriven them.
        // The page's own component.
        .replace("cufflink emit pushes", "cufflink emit orders")
        .replace(/^cufflink dead-letters redrive .* --rate 20$/m, "$& || [ $? = 1 ]");
      return sh(local).catch((error: unknown) => {
        throw new Error(`${placeOf(block)}: ${String(error)}\n${daemon.output()}`, {
          cause: error,
        });
      });
    },
    /** What is alike in two runs of a command. */
    comparable: (text: string): string =>
      text
        .trim()
        .replaceAll(topic, "orders")
        .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
        .replaceAll(/\b[\d.]+ (ms|s)\b/g, "DURATION")
        .replaceAll(/\b[0-9a-f]{32}\b/g, "TRACE"),
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

/** That the documents printed have what the page shows of them; `…` stands for any rest of a text. */
function expectJson(printed: string, { text }: Block): void {
  expect(documentsIn(printed)).toEqual(documentsIn(text).map(asShown));
}

/** The chunks of a stream's messages come in any order, and any number of them in one message. */
function documentsIn(text: string): unknown[] {
  const documents = text
    .trim()
    .split(/\n(?=\{)/)
    .map((one) => JSON.parse(one) as Shown & { chunks?: Shown[] });
  return documents
    .flatMap((one): Shown[] => one.chunks ?? [one])
    .toSorted((a, b) => (a.invocation ?? 0) - (b.invocation ?? 0));
}

type Shown = { invocation?: number };

function asShown(value: unknown): unknown {
  if (typeof value === "string" && value.endsWith("…")) {
    return expect.stringContaining(value.slice(0, -1));
  }
  if (Array.isArray(value)) return value.map(asShown);
  if (typeof value !== "object" || value === null) return value;
  return expect.objectContaining(
    Object.fromEntries(Object.entries(value).map(([name, one]) => [name, asShown(one)])),
  );
}
