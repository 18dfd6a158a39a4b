import { floor, start } from "../subject.ts";
import { payloadBytes } from "../wire/payload.ts";
import { callContender, grpcTarget, startDaemon } from "./calls.ts";
import type { Row } from "./row.ts";

const latencyRate = 1500;

/** A file of 1 KiB by the http binding. */
export const httpGetRow: Row = {
  name: "http-get",
  title: "`InvokeBinding` → http `get`, local nginx, gRPC",
  latencyRate,
  contenders: ["cufflink", "daprd", "floor"],
  requirements: [{ measure: "cpu", contender: "cufflink", of: "daprd", atMost: 0.38, aim: 0.32 }],
  async open(contender, bench) {
    const nginx = await bench.systems.nginx();
    const metadata = { url: nginx.url };
    const running =
      contender === "floor"
        ? await start(floor("floor.ts", "http-get", nginx.url), bench.circumstances)
        : await startDaemon(contender, bench, { name: "web", type: "http", metadata });
    return callContender(running, bench, {
      target: grpcTarget(running, { component: "web", operation: "get", metadata: {} }),
      calls: bench.count(30_000),
      latencyRate,
      latencyCalls: bench.count(3000),
      answerBytes: payloadBytes,
      counted: () => nginx.requests(),
    });
  },
};
