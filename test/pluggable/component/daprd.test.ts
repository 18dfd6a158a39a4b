import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { sqsSource } from "../../bindings/aws/aws.sqs/contract-source.ts";
import { Command } from "../../cli/command.ts";
import { startRecordingApp, type SeenEvent } from "../../golden/app.ts";
import { componentText, prepareRuntime, type Component } from "../../reliability/runtime.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { socketsFolder } from "../fake-component.ts";

const daprd = process.env["DAPRD"] ?? "";
const eventually = { timeout: 20_000, interval: 20 };

/** `cufflink component` beside the daprd of the environment, which is not started yet, and an app. */
async function prepared(
  types: readonly string[],
  components: readonly Component[],
  refuses: (event: SeenEvent) => boolean = () => false,
) {
  const folder = await socketsFolder();
  const sockets = join(folder, "sockets");
  const flags = types.flatMap((type) => ["--type", type]);
  const command = new Command(["component", ...flags, "--socket-folder", sockets, "--app-id", "d"]);
  for (const type of types) await command.printed(new RegExp(`${type}\\.sock`));
  const names = components.map(({ name }) => name);
  const app = await startRecordingApp("grpc", names, refuses);
  onTestFinished(() => app[Symbol.asyncDispose]());
  const runtime = await prepareRuntime(
    "daprd",
    { folder, daprd },
    {
      resources: { "all.yaml": components.map(componentText).join("---\n") },
      appPort: app.port,
      environment: { DAPR_COMPONENTS_SOCKETS_FOLDER: sockets },
    },
  );
  onTestFinished(() => runtime[Symbol.asyncDispose]());
  onTestFinished(() => runtime.end());
  const invoke = async (name: string, operation: string, data: unknown, metadata = {}) => {
    const answer = await fetch(`http://127.0.0.1:${runtime.httpPort}/v1.0/bindings/${name}`, {
      method: "POST",
      body: JSON.stringify({ operation, data, metadata }),
    });
    return { status: answer.status, text: await answer.text() };
  };
  return { folder, sockets, command, app, runtime, invoke };
}

async function served(...options: Parameters<typeof prepared>) {
  const all = await prepared(...options);
  await all.runtime.start();
  return all;
}

describe.skipIf(daprd === "")("with DAPRD=/path/to/daprd", () => {
  test("an output is invoked in place of daprd's own, an input that daprd does not have is read", async () => {
    const files = await socketsFolder();
    await mkdir(join(files, "in"));
    const { app, invoke, command, sockets, runtime } = await served(
      ["localstorage", "file"],
      [
        { name: "store", type: "bindings.localstorage", metadata: { rootPath: files } },
        {
          name: "drop",
          type: "bindings.file",
          metadata: { folder: join(files, "in"), direction: "input", quietTime: "50ms" },
        },
      ],
    );
    const created = await invoke("store", "create", "hello", { fileName: "a.txt" });
    expect(created.status).toBe(200);
    expect(await readFile(join(files, "a.txt"), "utf8")).toBe('"hello"');
    expect((await invoke("store", "get", "", { fileName: "a.txt" })).text).toBe('"hello"');
    const missing = await invoke("store", "get", "", { fileName: "none.txt" });
    expect(missing.status).toBe(500);
    expect(missing.text).toContain("none.txt");
    expect((await invoke("store", "fly", "")).text).toContain("does not support operation fly");

    await writeFile(join(files, "in", "one.txt"), "one");
    await vi.waitFor(() => expect(app.events.map(({ body }) => body)).toEqual(["one"]), eventually);
    await vi.waitFor(
      () => expect(existsSync(join(files, "in", "one.txt"))).toBe(false),
      eventually,
    );

    await runtime.end();
    command.signal("SIGTERM");
    expect(await command.exited).toBe(0);
    expect(existsSync(join(sockets, "file.sock"))).toBe(false);
    expect(command.stdout).toContain("shutdown complete");
  }, 60_000);

  test("a component that cannot start fails daprd's start with its reason", async () => {
    const metadata = { rootPath: "/proc/none" };
    const { runtime } = await prepared(
      ["localstorage"],
      [{ name: "store", type: "bindings.localstorage", metadata }],
    );
    // It may serve for a moment before it ends.
    await runtime.start().catch(() => undefined);
    await vi.waitFor(() => expect(runtime.ended()).toBe("exit 1"), eventually);
    expect(runtime.log()).toMatch(
      /initialization error occurred for store \(bindings\.localstorage\/v1\): .*rpc error: code = InvalidArgument desc = failed to parse metadata: property rootPath points to a disallowed location/,
    );
  }, 60_000);
});

describe.skipIf(daprd === "")("with DAPRD=/path/to/daprd", () => {
  describeWith("moto", (server) => {
    test("aws.sqs: what the app refuses comes again, what it handles does not", async () => {
      const place = await sqsSource(server).place((end) =>
        onTestFinished(async () => void (await end())),
      );
      const refused = new Set(["2", "5"]);
      const { app, runtime } = await served(
        ["aws.sqs"],
        [
          {
            name: "orders",
            type: "bindings.aws.sqs",
            metadata: {
              ...place.properties,
              direction: "input",
              backOffMaxRetries: "0",
              backOffMaxInterval: "1s",
            },
          },
        ],
        ({ body }) => refused.delete(body),
      );
      for (let n = 0; n < 8; n++) await place.send(Buffer.from(String(n)), "k");
      const all = ["0", "1", "2", "2", "3", "4", "5", "5", "6", "7"];
      await vi.waitFor(
        () => expect(app.events.map(({ body }) => body).toSorted()).toEqual(all),
        eventually,
      );
      // A daprd that is started again reads on.
      await runtime.end();
      await place.send(Buffer.from("8"), "k");
      await runtime.start();
      await vi.waitFor(() => expect(app.events.at(-1)?.body).toBe("8"), eventually);
      expect(app.events).toHaveLength(11);
    }, 90_000);
  });
});
