import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { component, folder } from "../resources/folder.ts";
import { until } from "../until.ts";
import { startHttpApp } from "./http-app.ts";
import { cufflinkHere } from "./in-process.ts";
import { startServing } from "./serving.ts";

const twice = `apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: quick}
spec:
  policies: {retries: {twice: {policy: constant, duration: 10ms, maxRetries: 1}}}
  targets: {components: {inbox: {inbound: {retry: twice}}}}
`;

const slowly = twice.replace("10ms", "1h");

/** An inbox whose app refuses what it is told to, and takes the rest. */
async function serving(resiliency = twice) {
  const inbox = folder({});
  const notes = folder({});
  const state = folder({});
  const refused = new Set<string>();
  const seen: string[] = [];
  const app = await startHttpApp(async (path, body) => {
    const text = body.toString();
    if (path !== "/inbox") return { status: 404, body: "" };
    seen.push(text);
    return refused.has(text) ? { status: 500, body: "cannot read it" } : { status: 200, body: "" };
  });
  const input = component(
    "inbox",
    "bindings.file",
    `- {name: folder, value: "${inbox}"}\n- {name: quietTime, value: 10ms}\n- {name: direction, value: input}`,
  );
  const output = component(
    "notes",
    "bindings.localstorage",
    `- {name: rootPath, value: "${notes}"}`,
  );
  const serving = await startServing(
    { "inbox.yaml": input, "notes.yaml": output, "quick.yaml": resiliency },
    ["--app-port", String(app.port), "--state-dir", state],
  );
  const address = `--address=127.0.0.1:${serving.grpc}`;
  const run = (...args: string[]) => cufflinkHere([...args, address]);
  const deadLetters = async () => {
    const { stdout } = await run("dead-letters", "list", "--json");
    return JSON.parse(stdout) as { id: string; event: { id: string; dataText: string } }[];
  };
  const put = (name: string, text: string) => writeFileSync(join(inbox, name), text);
  return { ...serving, input, refused, seen, run, deadLetters, put };
}

test("a dead letter is found, explained, mended, redriven and counted", async () => {
  const { run, deadLetters, put, refused, seen, command } = await serving();
  refused.add("borken");
  put("a.txt", "borken");
  await until(async () => (await deadLetters()).length === 1, { what: "the dead letter" });
  expect(seen).toEqual(["borken", "borken"]);
  const [deadLetter] = await deadLetters();
  const { id, event } = deadLetter!;
  expect(event.dataText).toBe("borken");

  const shown = await run("dead-letters", "show", id);
  expect(shown.stdout).toMatch(/component {2}inbox \(bindings\.file\)\n/);
  expect(shown.stdout).toMatch(/so far +2 attempts\n/);
  expect(shown.stdout.match(/refused +.*500/g)).toHaveLength(2);
  const why = await run("why", event.id);
  expect(why.stdout).toMatch(/attempt 1 refused .*\n.*attempt 2 refused .*\n.*became dead letter/);
  expect(why.stdout).toContain(`See cufflink dead-letters show ${id}`);

  const again = await run("dead-letters", "redrive", id);
  expect(again.code).toBe(1);
  expect(again.stdout).toMatch(new RegExp(`^refused ${id} .*500`));
  expect((await run("dead-letters", "show", id)).stdout).toMatch(/redriven 1 time/);

  await run("dead-letters", "edit", id, "--data", "broken");
  const well = await run("dead-letters", "redrive", "--component", "inbox");
  expect(well).toMatchObject({ code: 0, stderr: "1 of 1 dead letter handled\n" });
  expect(seen).toEqual(["borken", "borken", "borken", "borken", "broken"]);
  expect(await deadLetters()).toEqual([]);
  expect((await run("why", event.id)).stdout).toContain("It is no longer a dead letter");
  command.signal("SIGTERM");
  expect(await command.exited).toBe(0);
});

test("an event that waits for its retry is found, and its component tells of it", async () => {
  const { run, put, refused, seen } = await serving(slowly);
  refused.add("later");
  put("later.txt", "later");
  await until(async () => (await run("components", "show", "inbox")).stdout.includes("oldest"), {
    what: "the event to wait",
  });
  const shown = await run("components", "show", "inbox", "--json");
  const { oldestWaiting, handled } = JSON.parse(shown.stdout) as {
    oldestWaiting: { id: string; attempts: number };
    handled: number;
  };
  expect([oldestWaiting.attempts, handled, seen]).toEqual([1, 0, ["later"]]);
  const { stdout, code } = await run("why", oldestWaiting.id);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /received.*\n.*attempt 1 refused after .*500.*\n {2}now waiting for attempt 2 of 2, due at \d{4}-/,
  );
});

test("dead letters go to an output, and are dropped", async () => {
  const { run, deadLetters, put, refused } = await serving();
  for (const name of ["a", "b", "c"]) {
    refused.add(name);
    put(`${name}.txt`, name);
  }
  await until(async () => (await deadLetters()).length === 3, { what: "three dead letters" });
  const first = (await deadLetters()).find(({ event }) => event.dataText === "a")!;
  const to = ["--to", "notes:create", "-m", "fileName=a.txt"];
  const moved = await run("dead-letters", "redrive", first.id, ...to);
  expect(moved).toMatchObject({ code: 0, stderr: "1 of 1 dead letter handled\n" });
  const kept = await run("invoke", "notes", "get", "-m", "fileName=a.txt");
  expect(kept.stdout).toBe("a");
  const dropped = await run("dead-letters", "drop", "--component", "inbox", "--yes");
  expect(dropped).toMatchObject({ code: 0, stdout: "2 dead letters dropped\n" });
  expect(await deadLetters()).toEqual([]);
});

test("a component is paused, resumed, drained and restarted, and resources are reloaded", async () => {
  const { run, put, seen, input, resources } = await serving();
  const paused = await run("components", "pause", "inbox", "--reason", "the shop moves");
  expect(paused).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^inbox: paused, .*the shop moves/) as string,
  });
  put("a.txt", "a");
  const listed = await run("components", "inbox");
  expect(listed.stdout).toMatch(/^inbox +bindings\.file +paused .*\n {4}.*the shop moves/m);
  expect(seen).toEqual([]);
  await run("components", "resume", "inbox");
  await until(() => seen.includes("a"), { what: "the event after the pause" });
  expect(await run("components", "restart", "inbox")).toMatchObject({ code: 0 });
  expect(await run("components", "drain", "inbox")).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^inbox: paused/) as string,
  });
  const policy = await run("components", "policy", "inbox");
  expect(policy.stdout).toMatch(
    /^events in\n {2}attempts +2\n(.*\n){2} {6}from .*Resiliency quick .*quick\.yaml/m,
  );
  expect((await run("components", "pause", "nosuch")).code).toBe(1);

  expect(await run("reload")).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/unchanged/) as string,
  });
  writeFileSync(join(resources, "inbox.yaml"), input.replace("quietTime", "quitTime"));
  const reloaded = await run("reload");
  expect(reloaded.stdout).toMatch(/inbox\.yaml:.*quitTime.*did you mean "quietTime"/);
});
