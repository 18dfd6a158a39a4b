import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { OtlpReceiver } from "../telemetry/export/otlp-receiver.ts";
import { startDaemon, type Daemon } from "./daemon.ts";

async function exemplars(daemon: Daemon): Promise<string[][]> {
  const page = await fetch(`http://127.0.0.1:${daemon.metricsPort}/metrics`, {
    headers: { accept: "application/openmetrics-text;version=1.0.0" },
  });
  const found = (await page.text()).matchAll(/ # \{trace_id="(\w+)",span_id="(\w+)"\}/g);
  return [...found].map(([, ...ids]) => ids);
}

test("the exemplar of an invocation is the span that was exported; without a sampled trace there is none", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cufflink-exemplars-"));
  await using receiver = await OtlpReceiver.http();
  await using daemon = await startDaemon({
    components: [{ name: "files", type: "bindings.localstorage", metadata: { rootPath: folder } }],
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_BSP_SCHEDULE_DELAY: "50" },
  });
  const invoke = async (flags: string): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/bindings/files`, {
      method: "POST",
      headers: { traceparent: `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}` },
      body: JSON.stringify({ operation: "create", data: "1", metadata: { fileName: "a" } }),
    });
    expect(answer.status).toBe(200);
  };
  await invoke("00");
  expect(await exemplars(daemon)).toEqual([]);
  await invoke("01");
  const { traceId, spanId } = await receiver.span("create files");
  expect(await exemplars(daemon)).toEqual([[traceId, spanId]]);
  await rm(folder, { recursive: true });
});
