import { keys } from "../systems/clouds/keys.ts";
import { floor, type Running, start } from "../subject.ts";
import type { Clouds, Done } from "../systems/clouds.ts";
import { createInvocation, type Invocation } from "../wire/grpc.ts";
import { payloadBytes } from "../wire/payload.ts";
import { callContender, grpcTarget, startDaemon } from "./calls.ts";
import { cloudsEventRow } from "./clouds-in.ts";
import { largeContender } from "./large-objects.ts";
import type { Bench, ContenderName, Requirement, Row } from "./row.ts";

const latencyRate = 1000;
const requirements: readonly Requirement[] = [
  { measure: "cpu", contender: "cufflink", of: "floor", atMost: 1.5 },
  { measure: "cpu", contender: "cufflink", of: "daprd", atMost: 0.75 },
];

type Output = {
  readonly component: "out" | "bucket";
  readonly floorKind: string;
  readonly invocation: Invocation;
  readonly done: keyof Done;
  readonly answerBytes?: number;
};

/** A message of 1 KiB. */
export const sqsOutRow: Row = outputRow(
  { name: "sqs-out", title: "`InvokeBinding` → aws.sqs `create`, gRPC" },
  {
    ...{ component: "out", floorKind: "sqs-send", done: "sent" },
    invocation: createInvocation("out", {}),
  },
);

/** An object of 1 KiB stored. */
export const s3CreateRow: Row = outputRow(
  { name: "s3-create", title: "`InvokeBinding` → aws.s3 `create`, 1 KiB, gRPC" },
  {
    ...{ component: "bucket", floorKind: "s3-put", done: "puts" },
    invocation: createInvocation("bucket", { key: "object" }),
  },
);

/** An object of 1 KiB read. */
export const s3GetRow: Row = outputRow(
  { name: "s3-get", title: "`InvokeBinding` → aws.s3 `get`, 1 KiB, gRPC" },
  {
    ...{ component: "bucket", floorKind: "s3-get", done: "gets", answerBytes: payloadBytes },
    invocation: { component: "bucket", operation: "get", metadata: { key: `o-${payloadBytes}` } },
  },
);

/** 64 MiB stored as they come. */
export const s3LargeCreateRow: Row = {
  name: "s3-create-large",
  title: "64 MiB to aws.s3 `create` by `InvokeBindingStream`, each MiB",
  contenders: ["cufflink", "floor"],
  requirements: requirements.slice(0, 1),
  open: (contender, bench) => openLarge(contender, bench, "upload"),
};

/** 64 MiB read as they come. */
export const s3LargeGetRow: Row = {
  name: "s3-get-large",
  title: "64 MiB of aws.s3 `get` by `InvokeBindingStream`, each MiB",
  contenders: ["cufflink", "floor"],
  requirements: requirements.slice(0, 1),
  open: (contender, bench) => openLarge(contender, bench, "download"),
};

/** A queue that was filled before. */
export const sqsInRow: Row = cloudsEventRow({
  ...{ name: "sqs-in", title: "SQS → app", system: "sqs" },
  metadata: (clouds, queue) => ({ ...awsMetadata(clouds), queueName: queue }),
  // It rests for 50 ms after each message.
  fewOfDaprd: 200,
});

function outputRow(named: Pick<Row, "name" | "title">, output: Output): Row {
  return {
    ...named,
    latencyRate,
    contenders: ["cufflink", "daprd", "floor"],
    requirements,
    async open(contender, bench) {
      const clouds = await bench.systems.clouds();
      const { component, floorKind, invocation, done, answerBytes } = output;
      const running = await startAws(contender, bench, component, ["floor.ts", floorKind]);
      return callContender(running, bench, {
        target: grpcTarget(running, invocation),
        calls: bench.count(20_000),
        latencyRate,
        latencyCalls: bench.count(2000),
        counted: async () => (await clouds.done())[done],
        ...(answerBytes === undefined ? {} : { answerBytes }),
      });
    },
  };
}

async function openLarge(contender: ContenderName, bench: Bench, way: "upload" | "download") {
  const clouds = await bench.systems.clouds();
  const isUpload = way === "upload";
  const kind = isUpload ? "s3-put" : "s3-get";
  const running = await startAws(contender, bench, "bucket", ["stream-floor.ts", kind]);
  const invocation = {
    component: "bucket",
    operation: isUpload ? "create" : "get",
    metadata: { key: `large-${64 << 20}` },
  };
  if (!isUpload) return largeContender(running, way, invocation);
  return largeContender(running, way, invocation, async () => {
    const { bytes, puts } = await clouds.done();
    if (bytes !== puts * (64 << 20)) throw new Error(`${puts} objects have ${bytes} bytes`);
  });
}

async function startAws(
  contender: ContenderName,
  bench: Bench,
  component: Output["component"],
  [file, kind]: readonly [file: string, kind: string],
): Promise<Running> {
  const clouds = await bench.systems.clouds();
  if (contender === "floor") return start(floor(file, kind, clouds.url), bench.circumstances);
  const [type, metadata] =
    component === "out"
      ? ["aws.sqs", { queueName: "out" }]
      : ["aws.s3", { bucket: "bucket", forcePathStyle: "true" }];
  return startDaemon(contender, bench, {
    ...{ name: component, type },
    metadata: { ...awsMetadata(clouds), ...metadata },
  });
}

function awsMetadata({ url }: Clouds): Record<string, string> {
  const { accessKeyId: accessKey, secretAccessKey: secretKey } = keys;
  return { region: "us-east-1", endpoint: url, accessKey, secretKey };
}
