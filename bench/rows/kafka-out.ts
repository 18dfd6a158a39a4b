import { Admin, ListOffsetTimestamps } from "@platformatic/kafka";
import { uniqueName } from "../../test/servers/unique-name.ts";
import { floor, start } from "../subject.ts";
import { createInvocation } from "../wire/grpc.ts";
import { callContender, grpcTarget, startDaemon } from "./calls.ts";
import type { Row } from "./row.ts";

const latencyRate = 2000;

/** Messages that count once all replicas have them. */
export const kafkaOutRow: Row = {
  name: "kafka-out",
  title: "`InvokeBinding` → kafka `create`, acks of all, gRPC",
  latencyRate,
  contenders: ["cufflink", "daprd", "floor"],
  requirements: [
    { measure: "cpu", contender: "cufflink", of: "daprd", atMost: 0.55, aim: 0.45 },
    { measure: "rate", contender: "cufflink", of: "daprd", atLeast: 1.15, aim: 1.4 },
  ],
  async open(contender, bench) {
    const kafka = await bench.systems.kafka();
    const topic = uniqueName("out");
    await kafka.createTopic(topic, 1);
    const metadata = { brokers: kafka.brokers, publishTopic: topic, authType: "none" };
    const running =
      contender === "floor"
        ? await start(floor("floor.ts", "kafka", `${kafka.brokers}/${topic}`), bench.circumstances)
        : await startDaemon(contender, bench, { name: "topic", type: "kafka", metadata });
    return callContender(running, bench, {
      target: grpcTarget(running, createInvocation("topic", {})),
      calls: bench.count(40_000),
      latencyRate,
      latencyCalls: bench.count(4000),
      counted: () => endOffset(kafka.brokers, topic),
    });
  },
};

/** How many messages the topic's one partition holds. */
export async function endOffset(brokers: string, topic: string): Promise<number> {
  const admin = new Admin({ clientId: "bench", bootstrapBrokers: brokers.split(",") });
  try {
    const topics = [
      { name: topic, partitions: [{ partitionIndex: 0, timestamp: ListOffsetTimestamps.LATEST }] },
    ];
    const [found] = await admin.listOffsets({ topics });
    return Number(found?.partitions[0]?.offset ?? 0n);
  } finally {
    await admin.close();
  }
}
