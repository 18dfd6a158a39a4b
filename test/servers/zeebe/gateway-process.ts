import { join } from "node:path";
import { Code, GrpcFailure } from "../../../src/grpc/status.ts";
import { serveGrpc } from "../grpc-process.ts";
import { Engine } from "./engine.ts";
import type { Job } from "./journal.ts";

type Messages = Readonly<Record<string, unknown>>;
type Context = { readonly signal: AbortSignal };

const [, , port = "0", folder = ".", only = "", tokens = ""] = process.argv;
const engine = new Engine(join(folder, "journal.jsonl"));
const tenantId = "<default>";
const usualTimeout = 10_000;

const text = (request: Messages, name: string): string => (request[name] ?? "") as string;
const number = (request: Messages, name: string): number => Number(request[name] ?? 0);
const key = (request: Messages, name: string): bigint => (request[name] ?? 0n) as bigint;
const list = (request: Messages, name: string): string[] => (request[name] ?? []) as string[];

function variablesOf(json: string, names: readonly string[]): string {
  if (names.length === 0) return json;
  const all = Object.entries(JSON.parse(json) as object);
  return JSON.stringify(Object.fromEntries(all.filter(([name]) => names.includes(name))));
}

function shown(job: Job, names: readonly string[]): object {
  const definition = engine.processes.get(job.process);
  return {
    ...{ key: job.key, type: job.type, processInstanceKey: job.instance },
    bpmnProcessId: definition?.bpmnProcessId ?? "",
    processDefinitionVersion: definition?.version ?? 0,
    processDefinitionKey: job.process,
    elementId: definition?.task?.elementId ?? "",
    elementInstanceKey: job.instance + 1n,
    customHeaders: definition?.task?.headers ?? "{}",
    ...{ worker: job.worker, retries: job.retries, deadline: BigInt(job.deadline), tenantId },
    variables: variablesOf(job.variables, names),
  };
}

function created(request: Messages) {
  const which = {
    key: key(request, "processDefinitionKey"),
    id: text(request, "bpmnProcessId"),
    version: number(request, "version"),
  };
  const {
    process: definition,
    instance,
    finished,
  } = engine.create(which, text(request, "variables"));
  return {
    finished,
    answer: {
      ...{ processDefinitionKey: definition.key, bpmnProcessId: definition.bpmnProcessId },
      ...{ version: definition.version, processInstanceKey: instance, tenantId },
    },
  };
}

const impl = {
  async *activateJobs(request: Messages, { signal }: Context) {
    const most = number(request, "maxJobsToActivate");
    if (most < 1)
      throw new GrpcFailure(
        Code.invalidArgument,
        "Expected to activate jobs with maxJobsToActivate to be greater than zero, but it was " +
          most,
      );
    const wait = number(request, "requestTimeout");
    const over = AbortSignal.timeout(wait > 0 ? wait : wait === 0 ? usualTimeout : 1);
    const until = AbortSignal.any([signal, over]);
    for (;;) {
      // What nobody hears of is not given out.
      if (signal.aborted) return;
      const worker = text(request, "worker");
      const jobs = engine.activate(text(request, "type"), most, worker, number(request, "timeout"));
      if (jobs.length > 0) {
        yield { jobs: jobs.map((job) => shown(job, list(request, "fetchVariable"))) };
        return;
      }
      if (wait < 0 || until.aborted) return;
      await engine.change(until);
    }
  },
  cancelProcessInstance: (request: Messages) => (
    engine.cancel(key(request, "processInstanceKey")),
    {}
  ),
  completeJob: (request: Messages) => (
    engine.complete(key(request, "jobKey"), text(request, "variables")),
    {}
  ),
  createProcessInstance: (request: Messages) => created(request).answer,
  async createProcessInstanceWithResult(request: Messages, { signal }: Context) {
    const { answer, finished } = created(request["request"] as Messages);
    const wait = number(request, "requestTimeout");
    const over = AbortSignal.any([signal, AbortSignal.timeout(wait > 0 ? wait : usualTimeout)]);
    const late = new Promise<never>((_, reject) =>
      over.addEventListener("abort", () =>
        reject(new GrpcFailure(Code.deadlineExceeded, "Time out between gateway and broker")),
      ),
    );
    const { variables } = await Promise.race([finished, late]);
    return { ...answer, variables: variablesOf(variables, list(request, "fetchVariables")) };
  },
  deployResource(request: Messages) {
    const resources = request["resources"] as { name: string; content: Uint8Array }[];
    const processes = resources.map(({ name, content }) =>
      engine.deploy(name, Buffer.from(content).toString()),
    );
    return {
      key: (processes[0]?.key ?? 0n) + 1n,
      tenantId,
      deployments: processes.map(({ key: processDefinitionKey, ...rest }) => ({
        Metadata: {
          case: "process",
          value: {
            ...{ processDefinitionKey, tenantId, bpmnProcessId: rest.bpmnProcessId },
            ...{ version: rest.version, resourceName: rest.resourceName },
          },
        },
      })),
    };
  },
  failJob: (request: Messages) => (
    engine.fail(
      key(request, "jobKey"),
      number(request, "retries"),
      number(request, "retryBackOff"),
    ),
    {}
  ),
  publishMessage(request: Messages) {
    const [name, correlation] = [text(request, "name"), text(request, "correlationKey")];
    const id = text(request, "messageId");
    return { key: engine.publish(name, correlation, id, text(request, "variables")), tenantId };
  },
  resolveIncident: (request: Messages) => (engine.resolve(key(request, "incidentKey")), {}),
  setVariables: (request: Messages) => ({
    key: engine.setVariables(key(request, "elementInstanceKey"), text(request, "variables")),
  }),
  throwError: (request: Messages) => (engine.throwError(key(request, "jobKey")), {}),
  topology: () => ({
    brokers: [
      {
        ...{ nodeId: 0, host: "127.0.0.1", port: 26_501, version: "8.5.0" },
        partitions: [
          { partitionId: 1, role: 0, health: 0 },
          { partitionId: 2, role: 1, health: 1 },
        ],
      },
    ],
    ...{ clusterSize: 1, partitionsCount: 2, replicationFactor: 1, gatewayVersion: "8.5.0" },
  }),
  updateJobRetries: (request: Messages) => (
    engine.setRetries(key(request, "jobKey"), number(request, "retries")),
    {}
  ),
  updateJobTimeout: (request: Messages) => (
    engine.setTimeout(key(request, "jobKey"), number(request, "timeout")),
    {}
  ),
};

await serveGrpc({
  protos: import.meta.dirname,
  service: "gateway_protocol.Gateway",
  ...{ impl, port: Number(port) },
  ...(only === "" ? {} : { only: only.split(",") }),
  tokens: tokens === "" ? undefined : tokens,
});
process.on("SIGTERM", () => process.exit(0));
