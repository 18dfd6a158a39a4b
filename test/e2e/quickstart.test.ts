import { execFile } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { Command, root } from "../cli/command.ts";
import { folder } from "../resources/folder.ts";
import { releasePort, reservePort } from "../servers/ports.ts";

// What `npm start` runs, with ports and folders of this test's own in the place of those that are written there.
test("the quickstart shows both directions, its suggestions work, and Ctrl-C ends it", async () => {
  const ports = [
    await reservePort(),
    await reservePort(),
    await reservePort(),
    await reservePort(),
    await reservePort(),
  ];
  onTestFinished(async () => {
    for (const port of ports) await releasePort(port);
  });
  const [app, http, grpc, hook, metrics] = ports.map(String) as [
    string,
    string,
    string,
    string,
    string,
  ];
  const [inbox, notes] = [folder({}), folder({})];
  const components = join(root, "examples/quickstart/components");
  const resources = folder(
    Object.fromEntries(
      readdirSync(components).map((name) => [
        name,
        readFileSync(join(components, name), "utf8")
          .replace("examples/quickstart/inbox", inbox)
          .replace("examples/quickstart/notes", notes)
          .replace("127.0.0.1:8088", `127.0.0.1:${hook}`),
      ]),
    ),
  );
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: { start: string };
  };
  const [, , ...words] = scripts.start.split(" ");
  const args = words.map((word) =>
    word === "7001" ? app : word === "examples/quickstart/components" ? resources : word,
  );
  args.splice(1, 0, "--dapr-http-port", http, "--dapr-grpc-port", grpc, "--metrics-port", metrics);
  const path = `${join(root, "node_modules/.bin")}${delimiter}${process.env["PATH"]}`;
  const env = {
    PATH: path,
    QUICKSTART_INBOX: inbox,
    QUICKSTART_HOOK: `http://127.0.0.1:${hook}/hook`,
  };

  const command = new Command(args, { env });
  await command.printed(/cron +tick 1 +-> +wrote notes\/last-tick\.txt/);
  await command.printed(/file +hello\.txt \(19 bytes\) +-> +wrote notes\/hello\.txt/);
  await command.printed(
    /webhook +POST "Hello from curl\." +-> +wrote notes\/last-hook\.txt, and replied/,
  );
  await command.printed(/caller +got "The app heard: Hello from curl\.\\n"/);
  await command.printed(/Ctrl-C ends it/);
  const printed = new Set(
    command.stdout
      .replaceAll(inbox, "examples/quickstart/inbox")
      .replaceAll(http, "3500")
      .replaceAll(hook, "8088")
      .split("\n")
      .map((line) => line.trimEnd()),
  );
  const shown = shownByReadme();
  expect(shown.length).toBeGreaterThan(5);
  expect(shown.filter((line) => !printed.has(line))).toEqual([]);

  const suggestions = command.stdout
    .split("\n")
    .flatMap((line) => /^app \| {3}(\S.*)$/.exec(line)?.[1] ?? []);
  const suggested = (start: string): Promise<{ stdout: string }> => {
    const line =
      suggestions.find((one) => one.startsWith(start)) ??
      `echo nothing suggested starts with ${start}; false`;
    return promisify(execFile)("/bin/sh", ["-c", line], {
      cwd: root,
      env: { ...process.env, PATH: path },
      timeout: 20_000,
    });
  };
  await suggested("echo");
  await command.printed(/file +hi\.txt \(10 bytes\) +-> +wrote notes\/hi\.txt/);
  const { stdout: answer } = await suggested("npx buf curl");
  const { data } = JSON.parse(answer) as { data: string };
  expect(Buffer.from(data, "base64").toString()).toBe("Hello from a file.\n");
  const { stdout: table } = await suggested("bin/cufflink components");
  expect(table).toMatch(/^tick +bindings\.cron +running/m);
  const read = { operation: "get", metadata: { fileName: "hello.txt" } };
  const response = await fetch(`http://127.0.0.1:${http}/v1.0/bindings/notes`, {
    method: "POST",
    body: JSON.stringify(read),
  });
  expect(suggestions.filter((one) => one.startsWith("curl"))).toHaveLength(3);
  expect(await response.text()).toBe("Hello from a file.\n");

  command.signal("SIGINT");
  expect(await command.exited).toBe(0);
});

/** The lines of the README that show what `npm start` prints. */
function shownByReadme(): string[] {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [, block = ""] = /```\n(app \|[\s\S]*?)```/.exec(readme) ?? [];
  return block.split("\n").filter((line) => line !== "" && line !== "…");
}
