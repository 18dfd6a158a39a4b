import { once } from "node:events";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { withClouds } from "../../clouds.ts";
import { FakeApp, refused } from "../../runtime/fake-app.ts";
import { component } from "../../runtime/fake-binding.ts";
import { queueComponents, type QueueComponent } from "../../servers/pluggable-components.ts";
import { eventually, socketsFolder } from "../fake-component.ts";
import { hostOf } from "./hosted.ts";

/** Building a Go program and a Python environment for the first time takes some 15 seconds each. */
describe.runIf(withClouds).for(queueComponents)("$type", (real) => {
  beforeAll(() => real.install(), 600_000);

  test("events are acknowledged one by one; a refused one comes again", async () => {
    const { invoke, app, ...rest } = await started(real);
    const listed = () => rest.listed();
    const failing = new Set(["3", "7"]);
    app.handle = ({ data }) => {
      const text = Buffer.from(data ?? []).toString();
      if (failing.delete(text)) return refused("not now");
      return { kind: "handled", reply: { data: Buffer.from(`ok ${text}`), source: "grpc" } };
    };
    for (let n = 0; n < 10; n++) await invoke("orders", "create", String(n));
    await vi.waitFor(
      async () => expect((await listed()).acknowledged).toHaveLength(12),
      eventually,
    );
    const { acknowledged, properties } = await listed();
    const failed = acknowledged.filter(({ error }) => error !== "");
    expect(failed.map(({ data }) => data).toSorted()).toEqual(["3", "7"]);
    expect(failed[0]?.error).toContain("not now");
    const done = acknowledged.filter(({ error }) => error === "").map(({ reply }) => reply);
    expect(done.toSorted()).toEqual(Array.from({ length: 10 }, (_, n) => `ok ${n}`));
    expect(properties).toEqual({
      host: "here",
      queue: "q",
      backOffMaxRetries: "0",
      onExhausted: "return",
    });
  });

  test("its errors and metadata come as they are", async () => {
    const { invoke, runtime, status } = await started(real);
    expect(status().operations).toEqual(["create", "list", "fail", "exit"]);
    await expect(invoke("orders", "fail", "x")).rejects.toMatchObject({
      reason: "internal",
      effect: "ambiguous",
      message: expect.stringMatching(/^rpc error: code = Unknown desc = .*the queue is broken: x$/),
    });
    await runtime.apply([component(real.type, {}, { name: "wrong" })]);
    expect(status("wrong").reason).toContain("missing queue");
  });

  test("it ends and is started again: what it had not delivered comes", async () => {
    const { invoke, app, status, child, folder } = await started(real);
    const exited = once(child, "exit");
    await expect(invoke("orders", "exit")).rejects.toMatchObject({ effect: "ambiguous" });
    await exited;
    await vi.waitFor(() => expect(status().reason).toContain("waiting for socket"), eventually);
    const second = await real.start(folder);
    onTestFinished(() => void second.kill("SIGKILL"));
    await vi.waitFor(() => expect(status().state).toBe("running"), eventually);
    await invoke("orders", "create", "after");
    await vi.waitFor(() => expect(app.texts).toEqual(["after"]), eventually);
  });
});

async function started(real: QueueComponent) {
  const folder = await socketsFolder();
  const child = await real.start(folder);
  onTestFinished(() => void child.kill("SIGKILL"));
  const app = new FakeApp();
  const host = hostOf(folder, { app });
  const values = { queue: "q", backOffMaxRetries: "0", onExhausted: "return" };
  await host.runtime.apply([component(real.type, values)]);
  return {
    ...{ ...host, app, child, folder },
    async listed() {
      const answer = await host.invoke("orders", "list");
      return JSON.parse(typeof answer === "string" ? answer : "") as {
        acknowledged: { data: string; reply: string; error: string }[];
        properties: Record<string, string>;
      };
    },
  };
}
