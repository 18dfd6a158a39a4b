import { writeComponent } from "../component.ts";
import { cufflinkWithNoOp, floor, start } from "../subject.ts";
import { createInvocation } from "../wire/grpc.ts";
import { payloadBytes } from "../wire/payload.ts";
import { callContender, grpcTarget } from "./calls.ts";
import type { Row } from "./row.ts";

const latencyRate = 4000;

/** What Cufflink itself adds to a call. */
export const noOpRow: Row = {
  name: "invoke-noop",
  title: "`InvokeBinding`, no-op binding, gRPC",
  latencyRate,
  contenders: ["cufflink", "floor"],
  requirements: [{ measure: "cpu", contender: "cufflink", of: "floor", atMost: 1.3 }],
  async open(contender, bench) {
    const component = { name: "noop", type: "noop", metadata: {} };
    const resources = await writeComponent(bench.folder, component);
    const { circumstances } = bench;
    const subject =
      contender === "floor"
        ? floor("floor.ts", "echo")
        : cufflinkWithNoOp({ resources }, circumstances);
    const running = await start(subject, circumstances);
    return callContender(running, bench, {
      target: grpcTarget(running, createInvocation("noop", { key: "bench" })),
      calls: bench.count(80_000),
      latencyRate,
      latencyCalls: bench.count(8000),
      answerBytes: payloadBytes,
    });
  },
};
