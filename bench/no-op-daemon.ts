// Runtime, server and metrics as they are served, over a binding that only answers what it is given.
import { defineBinding } from "../src/binding.ts";
import { RuntimeDescription } from "../src/rpc/description.ts";
import { createRuntime } from "../src/runtime/runtime.ts";
import { createHttpEndpoints } from "../src/server/http-endpoints.ts";
import { createServer } from "../src/server/server.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { Metrics } from "../src/telemetry/metrics.ts";

const noOp = defineBinding({
  name: "noop",
  status: "alpha",
  summary: "Answers what it is given.",
  metadata: {},
  open: () => ({ [Symbol.asyncDispose]: () => Promise.resolve() }),
  operations: {
    create: {
      description: "Answers the data.",
      request: {},
      invoke: (_, { data }) => Promise.resolve({ data }),
    },
  },
});

const [httpPort, grpcPort] = process.argv.slice(2).map(Number);
const appId = "bench";
const runtime = createRuntime({
  appId,
  bindings: [noOp],
  logger: createLogger({ level: "warn", json: true, appId }),
  observer: new Metrics(appId, () => runtime.components()),
  http: createHttpEndpoints(),
});
await createServer({
  runtime,
  description: new RuntimeDescription({
    appId,
    version: "bench",
    app: { protocol: "grpc", address: "127.0.0.1" },
    runtime,
  }),
  addresses: [httpPort!, grpcPort!].map((port) => ({ host: "127.0.0.1", port })),
  shutdown: () => undefined,
});
await runtime.apply([
  {
    name: "noop",
    type: "bindings.noop",
    version: "v1",
    initTimeout: 5000,
    origin: undefined,
    properties: [],
    resolve: () => Promise.resolve({ values: {}, secrets: [] }),
  },
]);
