// Part of `npm run test:clients`: installs gRPC for Python from its registry, once, into a virtual environment.
import { execFile, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { homedir, tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { startDaemon } from "../e2e/daemon.ts";
import { kafkaProducer } from "../e2e/producers.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { until } from "../until.ts";

const root = resolve(import.meta.dirname, "../..");
const run = promisify(execFile);
const keys = ["a", "b", "c", "d", "e"];
const perKey = 30;
let folder = "";
let env: NodeJS.ProcessEnv = {};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "cufflink-python-"));
  const python = await environment();
  env = {
    ...process.env,
    PATH: [join(python, "bin"), join(root, "node_modules/.bin"), process.env["PATH"]].join(
      delimiter,
    ),
  };
  const client = join(folder, "examples/clients/python");
  cpSync(join(root, "examples/clients/python"), client, { recursive: true });
  rmSync(join(client, "gen"), { recursive: true, force: true });
  cpSync(join(root, "proto"), join(folder, "proto"), { recursive: true });
  await run("buf", ["generate"], { cwd: client, env });
  return () => rmSync(folder, { recursive: true, force: true });
}, 180_000);

/** The virtual environment, made when it is not there. */
async function environment(): Promise<string> {
  const requirements = join(root, "examples/clients/python/requirements.txt");
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "cufflink");
  const { stdout } = await run("sha256sum", [requirements]);
  const made = join(cache, `python-${stdout.slice(0, 12)}`);
  if (existsSync(made)) return made;
  mkdirSync(cache, { recursive: true });
  const making = mkdtempSync(`${made}-`);
  await run("python3", ["-m", "venv", making]);
  await run(join(making, "bin/pip"), ["install", "--quiet", "-r", requirements]);
  renameSync(making, made);
  return made;
}

/** An HTTP server that refuses one request in seven at random, and notes what it took in its order. */
async function startSink() {
  const taken: string[] = [];
  let refused = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const refuses = Math.random() < 1 / 7;
      if (refuses) refused++;
      else taken.push(Buffer.concat(chunks).toString());
      response.writeHead(refuses ? 409 : 200).end();
    });
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { taken, url: `http://127.0.0.1:${port}`, refused: () => refused };
}

describeWith("kafka", (kafka) => {
  test(
    "Python: an app from generated code alone keeps each key in order, whatever fails",
    { timeout: 120_000 },
    async () => {
      const topic = uniqueName("python");
      await kafka.createTopic(topic, 2);
      const sink = await startSink();
      await using daemon = await startDaemon({
        components: [
          {
            name: "orders",
            type: "bindings.kafka",
            metadata: {
              ...{ brokers: kafka.brokers, topics: topic, consumerGroup: topic, authType: "none" },
              ...{ initialOffset: "oldest", direction: "input", backOffMaxRetries: "-1" },
              ...{ backOffInitialInterval: "10ms", backOffMaxInterval: "50ms" },
            },
          },
          { name: "sink", type: "bindings.http", metadata: { url: sink.url } },
        ],
      });
      const client = join(folder, "examples/clients/python");
      const app = spawn("python3", ["app.py", "orders", "sink"], {
        cwd: client,
        env: { ...env, DAPR_GRPC_PORT: String(daemon.grpcPort) },
        stdio: ["ignore", "ignore", "inherit"],
      });
      onTestFinished(() => void app.kill("SIGKILL"));
      await using producer = await kafkaProducer(kafka.brokers, topic);
      for (let number = 0; number < perKey; number++) {
        await Promise.all(keys.map((key) => producer.send(key, `${key} ${number}`)));
      }
      await until(() => sink.taken.length >= keys.length * perKey, {
        what: () =>
          `all events, of which came ${sink.taken.length}:\n${daemon.output().slice(-3000)}`,
        within: 60_000,
      });
      expect(sink.refused()).toBeGreaterThan(0);
      for (const key of keys) {
        const ofKey = sink.taken.filter((text) => text.startsWith(`${key} `));
        expect(ofKey).toEqual(Array.from({ length: perKey }, (_, number) => `${key} ${number}`));
      }
    },
  );
});
