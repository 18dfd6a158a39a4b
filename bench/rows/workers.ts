import { join } from "node:path";
import { writeComponent } from "../component.ts";
import { cufflink, start } from "../subject.ts";
import { payloadBytes } from "../wire/payload.ts";
import { createInvocation } from "../wire/grpc.ts";
import { callContender, httpTarget } from "./calls.ts";
import type { Row } from "./row.ts";

const latencyRate = 2000;
/** Each call under way has a connection of its own. */
const connections = 16;

/** What a second thread brings to sixteen connections. Not to be pinned to one processor: they share two. */
export const workersRow: Row = {
  name: "workers",
  title: "`InvokeBinding`, no-op binding, HTTP, 16 connections, one and two workers",
  latencyRate,
  contenders: ["cufflink", "cufflink-workers"],
  requirements: [
    { measure: "rate", contender: "cufflink-workers", of: "cufflink", atLeast: 1.2 },
    { measure: "cpu", contender: "cufflink-workers", of: "cufflink", atMost: 1.15 },
  ],
  async open(contender, bench) {
    const component = { name: "noop", type: "noop", metadata: {} };
    const resources = await writeComponent(bench.folder, component);
    const binding = join(import.meta.dirname, "../programs/no-op-binding.ts");
    const workers = contender === "cufflink-workers" ? "2" : "1";
    const flags = ["--bindings", binding, "--workers", workers];
    const circumstances = { ...bench.circumstances, pin: false };
    const running = await start(cufflink({ resources, flags }, circumstances), circumstances);
    return callContender(
      running,
      { ...bench, circumstances },
      {
        target: httpTarget(running.ports.http, createInvocation("noop", { key: "bench" })),
        calls: bench.count(80_000),
        latencyRate,
        latencyCalls: bench.count(4000),
        answerBytes: payloadBytes,
        inFlight: connections,
      },
    );
  },
};
