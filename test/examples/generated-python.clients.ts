// Part of `npm run test:clients`: installs mypy from its registry, once, into a virtual environment.
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { cufflinkHere } from "../cli/in-process.ts";
import { startDaemon } from "../e2e/daemon.ts";
import { component, components } from "../generate/components.ts";
import { folder } from "../resources/folder.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";

const run = promisify(execFile);
const mypyVersion = "2.4.1";

/** The virtual environment, made when it is not there. */
async function environment(): Promise<string> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "cufflink");
  const made = join(cache, `mypy-${mypyVersion}`);
  if (existsSync(made)) return made;
  mkdirSync(cache, { recursive: true });
  const making = mkdtempSync(`${made}-`);
  await run("python3", ["-m", "venv", making]);
  await run(join(making, "bin/python"), [
    ...["-m", "pip", "install", "--quiet", `mypy==${mypyVersion}`],
  ]);
  renameSync(making, made);
  return made;
}

async function generate(place: string): Promise<void> {
  const out = join(place, "shop.py");
  const args = ["generate", "python", "--resources", place, "--out", out];
  expect((await cufflinkHere(args)).code).toBe(0);
}

test(
  "mypy takes the module and what is right with it, and refuses each mistake",
  { timeout: 180_000 },
  async () => {
    const python = join(await environment(), "bin/python");
    const place = folder({ ...components, "use.py": uses });
    await generate(place);
    // A comment that ignores an error which is not there is an error itself.
    const args = ["-m", "mypy", "--strict", "--no-incremental", "shop.py", "use.py"];
    const told = await run(python, args, { cwd: place }).then(
      ({ stdout }) => stdout,
      ({ stdout }: { stdout: string }) => stdout,
    );
    expect(told).toMatch(/^Success: no issues found in 2 source files/);
  },
);

const uses = `from collections.abc import Mapping
from typing import Any

from shop import Bindings, Event, MyOrders, _MyOrdersEvent

shop = Bindings()
order: MyOrders = {"id": 1, "state": "open", "lines": [{"sku": "a", "count": 2}]}


@shop.my_orders.on
async def handle(event: Event[MyOrders, _MyOrdersEvent]) -> str:
    offset: str = event.metadata["__offset"]
    await shop.my_orders.create(order, metadata={"partitionKey": "a"}, timeout=1)
    await shop.my_orders.create({"id": 2, "lines": []})
    answer = await shop.table.query(metadata={"sql": "select 1"})
    duration: str = answer.metadata["duration"]
    await shop.cache.create("text", metadata={"key": "k", "ttlInSeconds": "5"})
    await shop.rows.get(metadata={"primaryKeys": "id"})
    await shop.api.get(other_metadata={"Accept": "text/plain"})
    await shop.table.exec(metadata={"sql": "delete", "readOnly": False})
    return offset + duration + event.json()["lines"][0]["sku"]


async def wrong(event: Event[MyOrders, _MyOrdersEvent]) -> int:
    shop.orders  # type: ignore[attr-defined]
    await shop.cache.put("text")  # type: ignore[attr-defined]
    await shop.tick.create("text")  # type: ignore[attr-defined]
    await shop.my_orders.create()  # type: ignore[call-arg]
    await shop.my_orders.create("text")  # type: ignore[arg-type]
    await shop.my_orders.create({"id": 1})  # type: ignore[typeddict-item]
    await shop.my_orders.create({"id": 1, "lines": [], "stat": "open"})  # type: ignore[typeddict-unknown-key]
    await shop.my_orders.create({"id": 1, "lines": [], "state": "opened"})  # type: ignore[typeddict-item]
    await shop.my_orders.create({"id": 1, "lines": [{"sku": 2}]})  # type: ignore[typeddict-item]
    await shop.my_orders.create(order, metadata={"partitionkey": "a"})  # type: ignore[arg-type]
    await shop.rows.get(metadata={})  # type: ignore[typeddict-item]
    await shop.rows.get()  # type: ignore[call-arg]
    await shop.table.exec(metadata={"sql": "delete", "readOnly": "no"})  # type: ignore[arg-type]
    event.metadata["offset"]  # type: ignore[typeddict-item]
    event.json()["number"]  # type: ignore[typeddict-item]
    return 1


async def on_tick(event: Event[Any, Mapping[str, str]]) -> None: ...


shop.my_orders.on(wrong)  # type: ignore[arg-type]
shop.cache.on(on_tick)  # type: ignore[attr-defined]
`;

test(
  "an app from the module alone handles events, replies, invokes and says what becomes of an event",
  { timeout: 60_000 },
  async () => {
    const [appPort, hookPort] = [await reservePort(), await reservePort()];
    const files = folder({});
    const resources = {
      "note.schema.json": JSON.stringify({
        type: "object",
        required: ["text"],
        properties: { text: { type: "string" } },
      }),
      "hook.yaml": component("my-hook", "bindings.webhook", {
        ...{ address: `127.0.0.1:${hookPort}`, responseContentType: "text/plain" },
        ...{ schema: "note.schema.json", backOffMaxRetries: "2", backOffInitialInterval: "10ms" },
      }),
      "notes.yaml": component("notes", "bindings.localstorage", { rootPath: files }),
    };
    const place = folder({ ...resources, "app.py": app });
    await generate(place);
    const program = spawn("python3", ["app.py"], {
      cwd: place,
      env: {
        ...process.env,
        APP_PORT: String(appPort),
        APP_API_TOKEN: "secret",
        DAPR_HTTP_PORT: "",
      },
      stdio: ["pipe", "pipe", "inherit"],
    });
    onTestFinished(() => void program.kill("SIGKILL"));
    let said = "";
    program.stdout.on("data", (part: Buffer) => (said += String(part)));
    await using daemon = await startDaemon({
      components: Object.values(resources).slice(1),
      flags: ["--app-port", String(appPort), "--app-protocol", "http"],
      env: { PATH: process.env["PATH"] ?? "", APP_API_TOKEN: "secret", DAPR_API_TOKEN: "token" },
    });
    program.stdin.end(`${daemon.httpPort}\n`);
    const post = (text: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${hookPort}/my-hook`, {
        method: "POST",
        body: JSON.stringify({ text }),
        headers: { "X-Name": "grün" },
      });
    let last = "";
    const answers = async (): Promise<boolean> => {
      const response = await post("ping");
      last = `${response.status} ${await response.text()}`;
      return response.ok;
    };
    await until(() => answers().catch(() => false), {
      what: () => `the app answers, which said ${last}:\n${daemon.output().slice(-2000)}`,
      within: 20_000,
    });
    const written = await post("grüße");
    expect([written.status, await written.text()]).toEqual([200, "heard grüße by POST"]);
    expect(readFileSync(join(files, "note.txt"), "utf8")).toBe("grüße");
    expect((await post("drop")).ok).toBe(true);
    expect((await post("retry")).ok).toBe(true);
    expect((await post("missing")).ok).toBe(true);
    await until(() => said.includes("not_found rejected"), { what: () => `the error:\n${said}` });
    expect(said).toMatch(/^retry 1 $\nretry 2 .*once more$/m);
  },
);

const app = `import asyncio

from shop import BindingError, Bindings, Drop, Event, MyHook, Retry, _MyHookEvent


async def main(port: str) -> None:
    shop = Bindings(f"http://127.0.0.1:{port}", token="token")

    @shop.my_hook.on
    async def handle(event: Event[MyHook, _MyHookEvent]) -> str:
        text = event.json()["text"]
        if text == "drop":
            raise Drop("spam: größer")
        if text == "retry":
            print("retry", event.attempt, event.last_error, flush=True)
            if event.attempt == 1:
                raise Retry("once more", after=0.01)
        if text == "missing":
            try:
                await shop.notes.get(metadata={"fileName": "nowhere"})
            except BindingError as error:
                print(error.reason, error.effect, error.system_code, flush=True)
        if text == "grüße":
            await shop.notes.create(text, metadata={"fileName": "note.txt"})
        return f"heard {text} by {event.metadata['method']}"

    await shop.serve()


asyncio.run(main(input()))
`;
