import { describe, expect, onTestFinished, test } from "vitest";
import { component, folder } from "../resources/folder.ts";
import { cufflink, type Command } from "./command.ts";
import { cufflinkHere } from "./in-process.ts";
import { startHttpApp } from "./http-app.ts";
import { startServing } from "./serving.ts";

const everySecond = component("tick", "bindings.cron", '- {name: schedule, value: "@every 1s"}');

describe("a daemon started with daprd's flags", () => {
  test("serves, says which flags have no effect, and ends with 0 at SIGTERM", async () => {
    const { command, http } = await startServing({});
    expect(command.stdout).toMatch(/other building blocks.*--enable-mtls/);
    const response = await fetch(`http://127.0.0.1:${http}/v1.0/healthz`);
    expect(response.status).toBe(204);
    command.signal("SIGTERM");
    expect(await command.exited).toBe(0);
  });

  test("is invoked, given test events and asked for its components from the command line", async () => {
    const app = await startHttpApp(async (path, body) =>
      path === "/tick"
        ? { status: 200, body: `heard ${body.toString()}` }
        : { status: 500, body: "no" },
    );
    const notes = folder({});
    const { command, http, grpc } = await startServing(
      {
        "tick.yaml": component("tick", "bindings.cron", '- {name: schedule, value: "@yearly"}'),
        "deaf.yaml": component("deaf", "bindings.cron", '- {name: schedule, value: "@yearly"}'),
        "notes.yaml": component(
          "notes",
          "bindings.localstorage",
          `- {name: rootPath, value: "${notes}"}`,
        ),
        "bad.yaml": component("bad", "bindings.localstorage"),
      },
      ["--app-port", String(app.port)],
      { DAPR_API_TOKEN: "sesame" },
    );
    const env = { DAPR_API_TOKEN: "sesame" };
    const address = `--address=127.0.0.1:${grpc}`;

    const file = ["-m", "fileName=a.txt"];
    const created = await cufflink(
      ["invoke", "notes", "create", "--data-file", "-", ...file, address],
      { env, input: "hello" },
    );
    expect(created).toMatchObject({ code: 0, stdout: '{"fileName":"a.txt"}' });
    const read = await cufflinkHere(
      ["invoke", "notes", "get", ...file, `--address=http://127.0.0.1:${http}`],
      env,
    );
    expect(read).toMatchObject({ code: 0, stdout: "hello", stderr: "" });

    const unknown = await cufflinkHere(["invoke", "nosuch", "get", address], env);
    expect(unknown).toMatchObject({ code: 1, stdout: "" });
    expect(unknown.stderr).toMatch(/couldn't find output binding nosuch/);
    const refused = await cufflinkHere(["invoke", "notes", "get", ...file, address], {
      DAPR_API_TOKEN: "",
    });
    expect(refused.stderr).toMatch(/DAPR_API_TOKEN/);
    expect(refused.code).toBe(1);

    expect(await cufflinkHere(["emit", "tick", "ding", address], env)).toMatchObject({
      code: 0,
      stdout: "heard ding",
    });
    const failed = await cufflinkHere(["emit", "deaf", "ding", address], env);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/^not handled: .*500/);
    const mistaken = await cufflinkHere(["emit", "tik", "ding", address], env);
    expect(mistaken).toMatchObject({
      ...{ code: 1, stderr: 'cufflink: no component is called "tik"; did you mean "tick"?\n' },
    });
    const toOutput = await cufflinkHere(["emit", "notes", "ding", address], env);
    expect(toOutput.stderr).toMatch(/component notes is an output: it reads no events, .*create/);

    const listed = await cufflinkHere(["components", "--json", address], env);
    const components = JSON.parse(listed.stdout) as { name: string; state: string }[];
    expect(Object.fromEntries(components.map(({ name, state }) => [name, state]))).toEqual({
      tick: "running",
      deaf: "running",
      notes: "running",
      bad: "failed",
    });
    const table = await cufflinkHere(["components", address], env);
    expect(table.stdout).toMatch(/^bad +bindings\.localstorage +failed .*\n {4}.*rootPath/m);
    const missing = await cufflinkHere(["components", "nosuch", address], env);
    expect(missing).toMatchObject({ code: 1 });
    expect(missing.stderr).toMatch(/no component is called "nosuch"; there are: .*notes/);

    command.signal("SIGINT");
    expect(await command.exited).toBe(0);
  });

  test("says which port is taken and ends with 69", async () => {
    const { http } = await startServing({});
    const { code, stderr } = await cufflink([
      "--dapr-http-port",
      String(http),
      "--dapr-listen-addresses=127.0.0.1",
    ]);
    expect(stderr).toContain(`cannot listen on 127.0.0.1:${http}`);
    expect(code).toBe(69);
  });
});

describe("at the signal, an event that the app has", () => {
  async function withEventInApp(
    args: readonly string[],
  ): Promise<{ command: Command; answer: () => void }> {
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    const app = await startHttpApp(async () => {
      arrive();
      await answered;
      return { status: 200 };
    });
    onTestFinished(() => answer());
    const { command } = await startServing({ "tick.yaml": everySecond }, [
      "--app-port",
      String(app.port),
      ...args,
    ]);
    await arrived;
    return { command, answer };
  }

  test("is waited for, also when npm passes the signal on a second time", async () => {
    const { command, answer } = await withEventInApp([]);
    command.signal("SIGINT");
    command.signal("SIGINT");
    await command.printed(/shutting down: no more events/);
    answer();
    expect(await command.exited).toBe(0);
    expect(command.stdout).not.toContain("exiting now");
  });

  test("exits after the graceful time, with 1", async () => {
    const { command } = await withEventInApp(["--dapr-graceful-shutdown-seconds", "1"]);
    command.signal("SIGTERM");
    expect(await command.exited).toBe(1);
    expect(command.stdout).toMatch(/did not finish in time/);
  });

  test("exits at a second signal", async () => {
    const { command } = await withEventInApp(["--dapr-graceful-shutdown-seconds", "60"]);
    await command.signalUntil("SIGINT", /exiting now/);
    expect(await command.exited).toBe(1);
  });
});
