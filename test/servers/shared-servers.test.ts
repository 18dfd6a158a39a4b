import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeWith, uniqueName } from "./describe-with.ts";
import { exchange } from "./exchange.ts";
import { ask, shareServers } from "./shared-servers.ts";
import { startServer } from "./start-server.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..", "..");

describeWith(["redis", "mosquitto"], ({ redis, mosquitto }) => {
  test("gives several servers at once", async () => {
    expect(await exchange(redis, "PING\r\n", /\r\n$/)).toBe("+PONG\r\n");
    expect(mosquitto.port).not.toBe(redis.port);
  });
});

describeWith("redis", { own: true }, (redis) => {
  test("takes the server that the environment names, and leaves it alone", async () => {
    const set = process.env["REDIS_URL"];
    process.env["REDIS_URL"] = `redis://user:word@localhost:${redis.port}/3`;
    try {
      await using servers = await shareServers();
      const answer = await ask(servers.port, "shared", "redis", "a.test.ts");
      const url = process.env["REDIS_URL"];
      expect(answer).toEqual({ found: { host: "localhost", port: redis.port, url } });
    } finally {
      if (set === undefined) delete process.env["REDIS_URL"];
      else process.env["REDIS_URL"] = set;
    }
    expect(await exchange(redis, "PING\r\n", /\r\n$/)).toBe("+PONG\r\n");
  });

  test("shares one server, and ends it with the run", async () => {
    const servers = await shareServers();
    const answers = await Promise.all(
      ["a.test.ts", "b.test.ts"].map((file) => ask(servers.port, "shared", "mosquitto", file)),
    );
    expect(answers[0]).toEqual(answers[1]);
    await servers[Symbol.asyncDispose]();
    if (process.env["MQTT_URL"] !== undefined) return;
    const [answer] = answers;
    if (answer === undefined || !("found" in answer)) throw new Error("no Mosquitto");
    await expect(exchange(answer.found, "\x10", /./)).rejects.toThrow(/ECONNREFUSED/);
  });

  test("removes the folder and frees the port of a server that is disposed of", async () => {
    const server = await startServer("redis");
    const folders = async (): Promise<number> =>
      (await readdir(tmpdir())).filter((name) => name.startsWith(`cufflink-server-${process.pid}-`))
        .length;
    const before = await folders();
    await server[Symbol.asyncDispose]();
    expect(await folders()).toBe(before - 1);
  });

  test.runIf(process.platform === "linux")(
    "a server does not outlive a process that was killed",
    async () => {
      const module = JSON.stringify(join(import.meta.dirname, "start-server.ts"));
      const script = `const { startServer } = await import(${module});
        const { port } = await startServer("redis"); console.log(port); setInterval(() => {}, 1000);`;
      const owner = spawn(process.execPath, ["--input-type=module", "-e", script], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [line] = (await once(owner.stdout, "data")) as [Buffer];
      const address = { host: "127.0.0.1", port: Number(line.toString()) };
      expect(await exchange(address, "PING\r\n", /\r\n$/)).toBe("+PONG\r\n");
      owner.kill("SIGKILL");
      const refused = async (): Promise<boolean> =>
        exchange(address, "PING\r\n", /\r\n$/).then(
          () => false,
          (error: Error) => error.message.includes("ECONNREFUSED"),
        );
      await expect.poll(refused, { timeout: 10_000 }).toBe(true);
    },
  );
});

describe("a server that cannot be had", () => {
  let empty: string;
  beforeAll(async () => {
    empty = await mkdtemp(join(tmpdir(), uniqueName("cufflink-empty")));
  });
  afterAll(() => rm(empty, { recursive: true }));

  /** Runs the tests of Kafka where there is none and nothing may be installed. */
  async function runWithoutKafka(settings: Record<string, string>) {
    const env = { ...process.env, XDG_CACHE_HOME: empty, CUFFLINK_TEST_INSTALL: "0", CI: "" };
    const cleared = new Set(["KAFKA_HOME", "KAFKA_BROKERS", "CUFFLINK_TEST_RESULT", "VITEST"]);
    const kept = Object.entries(env).filter(([name]) => !cleared.has(name));
    const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
    const args = [vitest, "run", "--no-color", "test/servers/kafka.test.ts"];
    const result = run(process.execPath, args, {
      cwd: root,
      env: { ...Object.fromEntries(kept), ...settings },
      timeout: 60_000,
    });
    return result.then(
      ({ stdout }) => ({ code: 0, said: stdout }),
      (error: { code: number; stdout: string; stderr: string }) => ({
        code: error.code,
        said: error.stdout + error.stderr,
      }),
    );
  }

  test("skips its tests, and the last lines of the run name it", async () => {
    const { code, said } = await runWithoutKafka({});
    expect(said).toMatch(/5 skipped/);
    const end = said.slice(said.indexOf("NOT RUN"));
    expect(end).toMatch(/Kafka: .*not installed, and CUFFLINK_TEST_INSTALL=0 forbids/);
    expect(end).toContain("set KAFKA_BROKERS");
    expect(end).toContain("test/servers/kafka.test.ts");
    expect(end).toContain("docker compose -f test/servers/compose.yaml up");
    expect(code).toBe(0);
  }, 90_000);

  test("fails the run with CI=true, and is named as well", async () => {
    const { code, said } = await runWithoutKafka({ CI: "true" });
    expect(said).toMatch(/Kafka is needed and cannot be had: .*not installed/);
    expect(said).toContain("NOT RUN");
    expect(code).not.toBe(0);
  }, 90_000);

  test("fails the run when the environment names a server and none answers", async () => {
    const { code, said } = await runWithoutKafka({ KAFKA_BROKERS: "127.0.0.1:1" });
    expect(said).toContain("KAFKA_BROKERS is set, and no Kafka answers at 127.0.0.1:1");
    expect(code).not.toBe(0);
  }, 90_000);
});
