import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import kitex from "../../../src/bindings/kitex/index.ts";
import { cufflinkHere } from "../../cli/in-process.ts";
import { component, startRuntime } from "../../runtime/fake-binding.ts";

const road = "docs/pluggable-components.md";

test("a component is failed, and its state names the type and the way", async () => {
  const { runtime, status, invoke } = startRuntime({ bindings: [kitex] });
  const values = { hostPorts: "127.0.0.1:8888", destService: "echo", methodName: "echo" };
  const resolve = async () => ({ values, secrets: [] });
  await runtime.apply([component("kitex", {}, { resolve })]);
  await vi.waitFor(() => expect(status().state).toBe("failed"));
  expect(status().reason).toContain("bindings.kitex is known, and not built");
  expect(status().reason).toContain(road);
  await expect(invoke("orders", "get", "x")).rejects.toMatchObject({ effect: "unsent" });
});

test("check finds it, and nothing else", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cufflink-kitex-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "kitex.yaml");
  const items = ["serviceName", "methodName", "destService", "hostPorts", "version"];
  const text = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: echo }
spec:
  type: bindings.kitex
  version: v1
  metadata: [${items.map((name) => `{ name: ${name}, value: x }`).join(", ")}]
`;
  await writeFile(file, text);
  const { stdout } = await cufflinkHere(["check", "--json", "--no-secrets", file]);
  const { problems } = JSON.parse(stdout) as { problems: { message: string }[] };
  expect(problems.map(({ message }) => message)).toEqual([expect.stringContaining(road)]);
});
