import { uniqueName } from "../../servers/unique-name.ts";
import { bpmn, zeebeClient } from "../../servers/zeebe-client.ts";
import type { Call, Suite } from "../suite.ts";

/** What is another one on each run. */
const changing = [
  [/\b90071992547\d{5}\b/g, "{key}"],
  // Dapr writes where the key is in its memory.
  [/\bkey \d{12,15}: rpc/g, "key {address}: rpc"],
  [/\b17\d{11}\b|\b18\d{11}\b/g, "{deadline}"],
] as const;

const clientOf = (address: string) => {
  const [host = "", port = ""] = address.split(":");
  return zeebeClient({ host, port: Number(port) });
};

export const zeebeCommand: Suite = {
  name: "zeebe.command",
  servers: ["zeebe"],
  async prepare({ servers }) {
    const client = clientOf(servers.zeebe);
    const { type, processId } = await client.place();
    const ends = uniqueName("ends");
    await client.deploy(bpmn(ends));
    const one = (name: string, operation: string, data: unknown = {}, metadata = {}): Call => ({
      ...{ name, binding: "engine", operation, metadata, data },
    });
    const job = { jobType: type, maxJobsToActivate: 1, timeout: "1m", requestTimeout: "2s" };
    const start = async () => void (await client.start(processId, '{"a":1}'));
    return {
      components: [
        {
          ...{ name: "engine", type: "bindings.zeebe.command" },
          metadata: { gatewayAddr: servers.zeebe, usePlainTextConnection: "true" },
        },
      ],
      names: [[type, "{type}"], [ends, "{ends}"], ...changing],
      calls: [
        one("topology", "topology"),
        one("a resource without its name", "deploy-resource", "x"),
        one("a resource that is none", "deploy-process", "x", { fileName: "x.bpmn" }),
        one("an instance", "create-instance", { bpmnProcessId: ends, variables: { a: 1 } }),
        one("an instance with its result", "create-instance", {
          ...{ bpmnProcessId: ends, withResult: true, requestTimeout: "5s", version: 1 },
          ...{ variables: { a: "<b>" } },
        }),
        one("an instance of nothing", "create-instance"),
        one("an instance of both", "create-instance", {
          bpmnProcessId: "a",
          processDefinitionKey: 1,
        }),
        one("an instance of what is not there", "create-instance", { bpmnProcessId: "nosuch" }),
        { ...one("jobs", "activate-jobs", job), before: start },
        one("no jobs", "activate-jobs", { ...job, jobType: "none", requestTimeout: 0 }),
        one("jobs of no type", "activate-jobs", { maxJobsToActivate: 1 }),
        one("jobs of no number", "activate-jobs", { jobType: "a" }),
        one("a timeout that is none", "activate-jobs", { ...job, timeout: "soon" }),
        one("a message", "publish-message", {
          ...{ messageName: "paid", correlationKey: "1", timeToLive: "1m" },
          variables: { a: 1 },
        }),
        one("a message without a name", "publish-message"),
        one("variables of what is not there", "set-variables", {
          ...{ elementInstanceKey: 1, variables: { a: 1 } },
        }),
        one("no variables", "set-variables", { elementInstanceKey: 1 }),
        one("a job that is not there", "complete-job", { jobKey: 1 }),
        one("no job", "complete-job"),
        one("a job's key that is a text", "complete-job", { jobKey: "one" }),
        one("a failure of what is not there", "fail-job", { jobKey: 1, retries: 1 }),
        one("a failure without retries", "fail-job", { jobKey: 1 }),
        one("retries of what is not there", "update-job-retries", { jobKey: 1, retries: 2 }),
        one("an error of what is not there", "throw-error", { jobKey: 1, errorCode: "E" }),
        one("an error without a code", "throw-error", { jobKey: 1 }),
        one("an incident that is not there", "resolve-incident", { incidentKey: 1 }),
        one("no incident", "resolve-incident"),
        one("an instance to cancel that is not there", "cancel-instance", {
          processInstanceKey: 1,
        }),
        one("data that are a list", "cancel-instance", [1]),
        one("an operation that is not there", "get"),
      ],
      async close() {
        await client.close();
      },
    };
  },
};

export const zeebeJobworker: Suite = {
  name: "zeebe.jobworker",
  servers: ["zeebe"],
  async prepare({ servers }) {
    const client = clientOf(servers.zeebe);
    const { type, processId } = await client.place();
    return {
      components: [
        {
          ...{ name: "jobs", type: "bindings.zeebe.jobworker" },
          metadata: {
            ...{ gatewayAddr: servers.zeebe, usePlainTextConnection: "true", jobType: type },
            direction: "input",
          },
        },
      ],
      names: [[type, "{type}"], ...changing],
      calls: [],
      inputs: ["jobs"],
      events: 2,
      async send() {
        for (const variables of ['{"a":1,"b":"<c>"}', "{}"])
          await client.start(processId, variables);
      },
      async close() {
        await client.close();
      },
    };
  },
};
