import { writeComponent } from "../component.ts";
import { benchGo } from "../bench-go.ts";
import { cufflinkWithNoOp, floor, grpcGo, start, type Subject } from "../subject.ts";
import { createInvocation } from "../wire/grpc.ts";
import { payloadBytes } from "../wire/payload.ts";
import { callContender, grpcTarget } from "./calls.ts";
import type { Bench, Contender, ContenderName, Row } from "./row.ts";

const latencyRate = 4000;

/** What Cufflink itself adds to a call. */
export const noOpRow: Row = {
  name: "invoke-noop",
  title: "`InvokeBinding`, no-op binding, gRPC",
  latencyRate,
  contenders: ["cufflink", "grpc-go", "floor"],
  requirements: [
    { measure: "cpu", contender: "cufflink", of: "floor", atMost: 0.5, aim: 0.35 },
    { measure: "cpu", contender: "cufflink", of: "grpc-go", atMost: 1, aim: 0.8 },
  ],
  open: (contender, bench) => openNoOp(contender, bench, false),
};

/** The same with calls that have the same headers each time, so that header compression leaves nothing of them. */
export const noOpIdenticalRow: Row = {
  ...noOpRow,
  name: "invoke-noop-identical",
  title: "`InvokeBinding`, no-op binding, gRPC, identical headers",
  requirements: [],
  open: (contender, bench) => openNoOp(contender, bench, true),
};

async function openNoOp(
  contender: ContenderName,
  bench: Bench,
  identical: boolean,
): Promise<Contender> {
  const running = await start(await subjectOf(contender, bench), bench.circumstances);
  return callContender(running, bench, {
    target: grpcTarget(running, createInvocation("noop", { key: "bench" })),
    calls: bench.count(80_000),
    latencyRate,
    latencyCalls: bench.count(8000),
    answerBytes: payloadBytes,
    identical,
  });
}

async function subjectOf(contender: ContenderName, bench: Bench): Promise<Subject> {
  if (contender === "floor") return floor("floor.ts", "echo");
  if (contender === "grpc-go") return grpcGo(await benchGo());
  const component = { name: "noop", type: "noop", metadata: {} };
  const resources = await writeComponent(bench.folder, component);
  return cufflinkWithNoOp({ resources }, bench.circumstances);
}
