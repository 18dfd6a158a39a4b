import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { until } from "../until.ts";
import { startDaemon, type Daemon } from "./daemon.ts";

type Seen = { readonly replica: string; readonly component: string; readonly what: string };

/** An app of one replica, which handles what it gets after a moment and writes down what that was. */
async function startApp(replica: string, seen: Seen[]): Promise<number> {
  const server = createServer((request, response) => {
    if (request.method !== "POST") return void response.end();
    const component = request.url?.slice(1) ?? "";
    const what = request.headers["duetime"] ?? request.headers["filename"];
    request.resume().on("end", () => {
      seen.push({ replica, component, what: String(what) });
      response.end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

describeWith("nats", ({ url }) => {
  test.each([
    { what: "three replicas", more: [] },
    { what: "three replicas with two workers each", more: ["--workers", "2"] },
  ])(
    "of $what one reads; stopped, ended or killed, it is followed by another",
    async ({ more }) => {
      const folder = await mkdtemp(join(tmpdir(), "cufflink-singleton-"));
      onTestFinished(() => rm(folder, { recursive: true, force: true }));
      const appId = uniqueName("singleton");
      const seen: Seen[] = [];
      const start = async (replica: string): Promise<Daemon> => {
        const port = await startApp(replica, seen);
        const daemon = await startDaemon({
          components: [
            {
              name: "files",
              type: "bindings.file",
              metadata: { folder, onHandled: "delete", direction: "input" },
            },
            {
              name: "tick",
              type: "bindings.cron",
              metadata: { schedule: "* * * * * *", direction: "input", catchUp: "all" },
            },
          ],
          flags: [
            ...["--app-id", appId, "--app-port", String(port), "--app-protocol", "http"],
            ...["--store", url, "--store-durability", "relaxed"],
            ...["--singleton", "--replica-id", replica, ...more],
          ],
        });
        onTestFinished(() => daemon[Symbol.asyncDispose]());
        return daemon;
      };
      const daemons = new Map<string, Daemon>();
      const replicas = ["a", "b", "c"];
      const started = await Promise.all(replicas.map(start));
      for (const [index, daemon] of started.entries()) daemons.set(replicas[index] ?? "", daemon);

      const ownerOf = async (component: string): Promise<string | undefined> => {
        const states = await Promise.all(
          [...daemons].map(async ([replica, daemon]) => [replica, await daemon.state(component)]),
        );
        const owners = states.filter(([, state]) => state === "running");
        const waiting = states.filter(([, state]) => state === "standby");
        return owners.length === 1 && waiting.length === daemons.size - 1
          ? owners[0]?.[0]
          : undefined;
      };
      const untilOwned = async (component: string): Promise<string> => {
        let owner: string | undefined;
        await until(async () => (owner = await ownerOf(component)) !== undefined, {
          what: () => [...daemons.values()].map((one) => one.output()).join("\n---\n"),
          within: 30_000,
        });
        return owner ?? "";
      };
      let files = 0;
      const handled = (component: string) => seen.filter((one) => one.component === component);
      /** One more file, handled by whoever owns the folder. */
      const handleFile = async (): Promise<void> => {
        await writeFile(join(folder, `file-${++files}`), `file ${files}`);
        // Its source has it from the app's answer on.
        await until(async () => (await readdir(folder)).length === 0, {
          what: () => `file ${files}: ${JSON.stringify(seen.slice(-5))}`,
          within: 30_000,
        });
      };

      // One reads, and the others say so.
      const first = await untilOwned("files");
      await handleFile();
      expect(handled("files").map(({ replica }) => replica)).toEqual([first]);

      // Frozen: another follows; awake again it does nothing of what it did.
      const frozen = daemons.get(first);
      frozen?.process.kill("SIGSTOP");
      await handleFile();
      const second = handled("files").at(-1)?.replica ?? "";
      expect(second).not.toBe(first);
      frozen?.process.kill("SIGCONT");
      await until(async () => (await frozen?.state("files")) === "standby", {
        what: () => frozen?.output() ?? "",
        within: 20_000,
      });
      await handleFile();
      expect(handled("files").at(-1)?.replica).toBe(second);

      // Ended orderly: it is handed over.
      await daemons.get(second)?.end("SIGTERM");
      daemons.delete(second);
      await handleFile();
      const third = handled("files").at(-1)?.replica ?? "";

      // Killed.
      await daemons.get(third)?.end("SIGKILL");
      daemons.delete(third);
      await handleFile();
      expect(new Set([first, second, third]).size + daemons.size).toBeGreaterThanOrEqual(3);

      // Each file once, and each second one tick, in order, whoever owned the schedule.
      expect(handled("files")).toHaveLength(files);
      const ticks = handled("tick").map(({ what }) => Date.parse(what) / 1000);
      expect(ticks.length).toBeGreaterThan(5);
      const [begin = 0] = ticks;
      // What was begun when its owner died comes once more, and nothing else does.
      const distinct = [...new Set(ticks)];
      expect(distinct).toEqual(distinct.map((_, index) => begin + index));
      expect(ticks.length - distinct.length).toBeLessThanOrEqual(2);
    },
    120_000,
  );
});
