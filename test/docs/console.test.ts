import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { Command, root } from "../cli/command.ts";
import { cufflinkHere } from "../cli/in-process.ts";
import { folder } from "../resources/folder.ts";
import { ask } from "../server/console/console.ts";
import { releasePort, reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { blocks } from "./pages.ts";

const commands = blocks()
  .filter(({ page, language }) => page === "docs/console.md" && language === "sh")
  .map(({ text }) => text);

function started(line: string, env: Record<string, string> = {}): Command {
  const [, ...args] = line.split(" ");
  return new Command(args, { launcher: [join(root, "bin/cufflink")], env, cwd: folder({}) });
}

test("the page's commands start the console in both ways, and the link and the call that it shows work", async () => {
  const [serve = "", alone = "", curl = ""] = commands;
  const port = await reservePort();
  const grpc = await reservePort();
  onTestFinished(() => Promise.all([releasePort(port), releasePort(grpc)]).then(() => undefined));
  const path = folder({});
  const own = serve.replace("8080", String(port)).replace("./components", path);
  const served = started(
    `${own} --dapr-http-port 0 --dapr-grpc-port ${grpc} --dapr-listen-addresses 127.0.0.1 --enable-metrics=false`,
  );
  await served.printed(/Status: Running\./);
  await until(() => served.stderr.includes("#token="), { what: "the link", within: 20_000 });
  const [, link = "", token = ""] = /Console: (\S+)#token=(\S+)\n/.exec(served.stderr) ?? [];
  expect(link).toBe(`http://127.0.0.1:${port}/`);
  expect(served.stdout).not.toContain(token);
  const { stdout } = await promisify(execFile)(
    "/bin/sh",
    ["-c", curl.replace("8080", String(port))],
    {
      env: { ...process.env, CUFFLINK_CONSOLE_TOKEN: token },
    },
  );
  expect(JSON.parse(stdout)).toEqual({});

  const other = await reservePort();
  onTestFinished(() => releasePort(other));
  const env = { CUFFLINK_CONSOLE_TOKEN: "the-token-of-the-console" };
  const console = started(
    alone
      .replace("8080", String(other))
      .replace("10.0.0.5:50001", `127.0.0.1:${grpc}`)
      .replace("10.0.0.6:50001", "127.0.0.1:1"),
    env,
  );
  await console.printed(/the console listens/);
  expect(console.stdout + console.stderr).not.toContain(env.CUFFLINK_CONSOLE_TOKEN);
  const asked = { token: env.CUFFLINK_CONSOLE_TOKEN };
  const session = await ask(other, "/session", asked);
  expect(JSON.parse(session.text)).toMatchObject({
    daemons: [{ name: "shop" }, { name: "billing" }],
  });
  const call = async (index: number): Promise<unknown> => {
    const path = `/rpc/${index}/cufflink.v1.Operations/DescribeRuntime`;
    return JSON.parse((await ask(other, path, { ...asked, body: "{}" })).text);
  };
  expect(await call(0)).toMatchObject({ appId: "shop", app: "http://127.0.0.1:7001" });
  expect(await call(1)).toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("no runtime answers at 127.0.0.1:1") as string,
  });
  console.child.kill("SIGTERM");
  expect(await console.exited).toBe(0);
  served.child.kill("SIGTERM");
  expect(await served.exited).toBe(0);
  await until(async () => (await ask(port, "/").catch(() => undefined)) === undefined, {
    what: "nothing listens any more",
  });
});

test("wrong tokens and addresses end the start with what is wrong", async () => {
  for (const [line, env, problem] of [
    ["cufflink console", { CUFFLINK_CONSOLE_TOKEN: "short" }, "CUFFLINK_CONSOLE_TOKEN is no token"],
    [
      "cufflink console",
      {
        CUFFLINK_CONSOLE_TOKEN: "one-and-the-same-token",
        CUFFLINK_CONSOLE_READ_ONLY_TOKEN: "one-and-the-same-token",
      },
      "are the same",
    ],
    ["cufflink console --address :x:", {}, "--address"],
    ["cufflink console --name a --name b", {}, "--name is given more often than --address"],
    ["cufflink console --token-file /nowhere", {}, "--token-file cannot be read"],
    ["cufflink serve --console-port x", {}, "--console-port"],
    ["cufflink serve --console-port 3500", {}, "--console-port are both 3500"],
  ] as const) {
    // Flags are read before anything starts.
    const isFlag = problem.startsWith("--");
    const ended = isFlag ? undefined : started(line, env);
    const { code, stderr } = ended
      ? { code: await ended.exited, stderr: ended.stderr }
      : await cufflinkHere(line.split(" ").slice(1));
    expect([line, code]).toEqual([line, 2]);
    expect(stderr).toContain(problem);
  }
});
