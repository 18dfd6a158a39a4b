import { defineBinding } from "../../../binding.ts";
import type { Answer, Call } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import type { GrpcService, Method } from "../../../grpc-service/service.ts";
import type { MessageFields, MessageValues } from "../../../grpc-service/messages.ts";
import { string, type Fields } from "../../../metadata/fields.ts";
import { gatewayFields } from "../fields.ts";
import { checkGateway, examineGateway, openGateway } from "../gateway.ts";
import { goJson } from "../go-json.ts";
import { gateway } from "../messages.ts";
import { invalid, Payload, required } from "../payload.ts";

type AnyCall = Pick<Call<typeof gatewayFields, Fields>, "data" | "signal" | "deadline">;

/** As Zeebe's own clients have it where the payload says nothing. Milliseconds. */
const usualJobTimeout = 5 * 60_000;
const latestVersion = -1;

const deployFields = {
  fileName: string({
    description: "The name of the resource; its ending says what it is. Required.",
    example: "order.bpmn",
  }),
} as const;

export default defineBinding({
  name: "zeebe.command",
  status: "stable",
  summary: "Runs commands of Zeebe, Camunda's workflow engine.",
  provedBy: [{ system: "Zeebe's gateway", kind: "stand-in" }],
  metadata: gatewayFields,

  check: async (metadata) => problemsOf([() => checkGateway(metadata)]),

  open: ({ metadata, memory, hide, signal }) => openGateway(metadata, memory, hide, signal),

  async examine(service, questions) {
    const { unknown, omit } = questions;
    omit("exists");
    await examineGateway(service, questions);
    unknown("may write", "", "each command has rights of its own, and none can be tried");
  },

  operations: {
    topology: {
      description: "Tells of the cluster: its brokers and their partitions.",
      request: {},
      idempotent: true,
      async invoke(service, call) {
        return json(await run(service, gateway.topology, {}, call, "cannot get zeebe toplogy"));
      },
    },
    "deploy-process": {
      description: "Deploys a resource. The former name of `deploy-resource`.",
      request: deployFields,
      invoke: (service, call) => deploy(service, call, call.request.fileName),
    },
    "deploy-resource": {
      description: "Deploys a resource: the data is a BPMN process, a DMN table or a form.",
      request: deployFields,
      invoke: (service, call) => deploy(service, call, call.request.fileName),
    },
    "create-instance": {
      description:
        "Starts an instance of a process: `bpmnProcessId` (and `version`) or `processDefinitionKey`, `variables`; with `withResult` the answer has the variables at its end.",
      request: {},
      invoke: createInstance,
    },
    "cancel-instance": {
      description: "Cancels an instance: `processInstanceKey`.",
      request: {},
      async invoke(service, call) {
        const payload = new Payload(call.data, "cancelInstancePayload");
        const processInstanceKey = requiredKey(payload, "processInstanceKey");
        const what = `cannot cancel instance for process instance key ${processInstanceKey}`;
        await run(service, gateway.cancelProcessInstance, { processInstanceKey }, call, what);
        return {};
      },
    },
    "set-variables": {
      description: "Sets variables: `elementInstanceKey`, `variables`, `local`.",
      request: {},
      idempotent: true,
      async invoke(service, call) {
        const payload = new Payload(call.data, "setVariablesPayload");
        const elementInstanceKey = requiredKey(payload, "elementInstanceKey");
        const variables = required("variables", payload.json("variables"));
        const values = { elementInstanceKey, variables, local: payload.bool("local") ?? false };
        const what = `cannot set variables for element instance key ${elementInstanceKey}`;
        return json(await run(service, gateway.setVariables, values, call, what));
      },
    },
    "resolve-incident": {
      description: "Resolves an incident: `incidentKey`.",
      request: {},
      async invoke(service, call) {
        const incidentKey = requiredKey(
          new Payload(call.data, "resolveIncidentPayload"),
          "incidentKey",
        );
        const what = `cannot resolve incident for key ${incidentKey}`;
        await run(service, gateway.resolveIncident, { incidentKey }, call, what);
        return {};
      },
    },
    "publish-message": {
      description:
        "Publishes a message to processes: `messageName`, `correlationKey`, `messageId`, `timeToLive`, `variables`.",
      request: {},
      async invoke(service, call) {
        const payload = new Payload(call.data, "publishMessagePayload");
        const timeToLive = payload.duration("timeToLive");
        const name = required("messageName", payload.text("messageName"));
        const values = {
          name,
          correlationKey: payload.text("correlationKey") ?? "",
          messageId: payload.text("messageId") ?? "",
          timeToLive: milliseconds(timeToLive ?? 0),
          variables: payload.json("variables") ?? "",
        };
        const what = `cannot publish message with name ${name}`;
        return json(await run(service, gateway.publishMessage, values, call, what));
      },
    },
    "activate-jobs": {
      description:
        "Takes jobs: `jobType`, `maxJobsToActivate`, `timeout`, `workerName`, `fetchVariables`, `requestTimeout`.",
      request: {},
      invoke: activateJobs,
    },
    "complete-job": {
      description: "Completes a job: `jobKey`, `variables`.",
      request: {},
      async invoke(service, call) {
        const payload = new Payload(call.data, "completeJobPayload");
        const jobKey = requiredKey(payload, "jobKey");
        const values = { jobKey, variables: payload.json("variables") ?? "" };
        const what = `cannot complete job for key ${jobKey}`;
        await run(service, gateway.completeJob, values, call, what);
        return {};
      },
    },
    "fail-job": {
      description:
        "Fails a job: `jobKey`, `retries` that are left, `errorMessage`, `retryBackOff`, `variables`.",
      request: {},
      async invoke(service, call) {
        const payload = new Payload(call.data, "failJobPayload");
        const retryBackOff = payload.duration("retryBackOff");
        const jobKey = requiredKey(payload, "jobKey");
        const values = {
          jobKey,
          retries: required("retries", payload.int32("retries")),
          errorMessage: payload.text("errorMessage") ?? "",
          retryBackOff: milliseconds(retryBackOff ?? 0),
          variables: payload.json("variables") ?? "",
        };
        await run(service, gateway.failJob, values, call, `cannot fail job for key ${jobKey}`);
        return {};
      },
    },
    "update-job-retries": {
      description: "Sets how many retries a job has left: `jobKey`, `retries`.",
      request: {},
      idempotent: true,
      async invoke(service, call) {
        const payload = new Payload(call.data, "updateJobRetriesPayload");
        const jobKey = requiredKey(payload, "jobKey");
        const values = { jobKey, retries: payload.int32("retries") ?? 0 };
        const what = `cannot uodate job retries for key ${jobKey}`;
        await run(service, gateway.updateJobRetries, values, call, what);
        return {};
      },
    },
    "throw-error": {
      description: "Throws a business error in a job: `jobKey`, `errorCode`, `errorMessage`.",
      request: {},
      async invoke(service, call) {
        const payload = new Payload(call.data, "throwErrorPayload");
        const jobKey = requiredKey(payload, "jobKey");
        const errorCode = required("errorCode", payload.text("errorCode"));
        const values = { jobKey, errorCode, errorMessage: payload.text("errorMessage") ?? "" };
        const what = `cannot throw error for job key ${jobKey}`;
        await run(service, gateway.throwError, values, call, what);
        return {};
      },
    },
  },

  async ping(service, signal) {
    await service.ping(signal);
  },
});

async function deploy(
  service: GrpcService,
  call: AnyCall,
  fileName: string | undefined,
): Promise<Answer> {
  const name = required("fileName", fileName);
  const resources = [{ name, content: call.data ?? new Uint8Array() }];
  const what = `cannot deploy resource with fileName ${name}`;
  const answer = await run(service, gateway.deployResource, { resources }, call, what);
  const deployments = answer.deployments.map(
    ({ process, decision, decisionRequirements, form }) => ({
      // The names are those of the types in Go.
      Metadata: {
        Process: process,
        Decision: decision,
        DecisionRequirements: decisionRequirements,
        Form: form,
      },
    }),
  );
  return json({ ...answer, deployments });
}

async function createInstance(service: GrpcService, call: AnyCall): Promise<Answer> {
  const payload = new Payload(call.data, "createInstancePayload");
  const requestTimeout = payload.duration("requestTimeout") ?? 0;
  const bpmnProcessId = payload.text("bpmnProcessId") ?? "";
  const processDefinitionKey = payload.key("processDefinitionKey");
  const version = payload.int32("version");
  if (bpmnProcessId === "" && processDefinitionKey === undefined)
    throw invalid("either 'bpmnProcessId' or 'processDefinitionKey' must be passed");
  if (bpmnProcessId !== "" && processDefinitionKey !== undefined)
    throw invalid(
      "either 'bpmnProcessId' or 'processDefinitionKey' must be passed, not both at the same time",
    );
  const which =
    processDefinitionKey !== undefined
      ? `processDefinitionKey ${processDefinitionKey}`
      : `bpmnProcessId ${bpmnProcessId} and ${version === undefined ? "lates version" : `version ${version}`}`;
  const what = `cannot create instance for ${which}`;
  const request = {
    ...{ bpmnProcessId, processDefinitionKey: processDefinitionKey ?? 0n },
    version: processDefinitionKey === undefined ? (version ?? latestVersion) : 0,
    variables: payload.json("variables") ?? "",
  };
  const fetchVariables = payload.texts("fetchVariables") ?? [];
  if (payload.bool("withResult") !== true)
    return json(await run(service, gateway.createProcessInstance, request, call, what));
  const wait = waitOf(requestTimeout, call.deadline);
  const values = { request, fetchVariables, requestTimeout: wait.longPoll };
  const method = gateway.createProcessInstanceWithResult;
  return json(await run(service, method, values, call, what, wait.timeout));
}

async function activateJobs(service: GrpcService, call: AnyCall): Promise<Answer> {
  const payload = new Payload(call.data, "activateJobsPayload");
  const timeout = payload.duration("timeout");
  const requestTimeout = payload.duration("requestTimeout") ?? 0;
  const type = required("jobType", payload.text("jobType"));
  const wait = waitOf(requestTimeout, call.deadline);
  const values = {
    type,
    maxJobsToActivate: required("maxJobsToActivate", payload.int32("maxJobsToActivate")),
    timeout: milliseconds(timeout || usualJobTimeout),
    worker: payload.text("workerName") || "default",
    fetchVariable: payload.texts("fetchVariables") ?? [],
    requestTimeout: wait.longPoll,
  };
  const jobs = [];
  const what = `cannot activate jobs for type ${type}`;
  const options = { what, signal: call.signal, timeout: wait.timeout };
  for await (const part of service.answers(gateway.activateJobs, values, options))
    jobs.push(...part.jobs);
  return { data: Buffer.from(jobs.length === 0 ? "null" : goJson(jobs)) };
}

/** How long a call may take, and how long the gateway is asked to wait: a tenth less, 10 s at most. Milliseconds. */
function waitOf(
  requestTimeout: number,
  deadline: number | undefined,
): { readonly timeout: number | undefined; readonly longPoll: bigint } {
  const left = deadline === undefined ? Infinity : deadline - performance.now();
  const timeout = Math.min(requestTimeout === 0 ? Infinity : requestTimeout, left);
  if (timeout === Infinity) return { timeout: undefined, longPoll: -1n };
  const longPoll = milliseconds(timeout - Math.min(timeout / 10, 10_000));
  return { timeout: Math.max(0, timeout), longPoll };
}

/** Throws a `BindingError`. */
function requiredKey(payload: Payload, name: string): bigint {
  return required(name, payload.key(name));
}

function milliseconds(value: number): bigint {
  return BigInt(
    Math.trunc(Math.max(-Number.MAX_SAFE_INTEGER, Math.min(value, Number.MAX_SAFE_INTEGER))),
  );
}

function json(values: object): Answer {
  return { data: Buffer.from(goJson({ ...values })) };
}

function run<In extends MessageFields, Out extends MessageFields>(
  service: GrpcService,
  method: Method<In, Out>,
  values: Partial<MessageValues<In>>,
  { signal }: AnyCall,
  what: string,
  timeout?: number,
): Promise<MessageValues<Out>> {
  return service.call(method, values, { what, signal, timeout });
}
