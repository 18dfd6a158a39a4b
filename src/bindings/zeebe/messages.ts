import {
  bool,
  bytes,
  int32,
  int64,
  many,
  message,
  nested,
  one,
  text,
} from "../../grpc-service/messages.ts";
import type { ValuesOf } from "../../grpc-service/messages.ts";

// The messages of the gateway's published definition, `gateway_protocol`, with its own names of fields.

const activatedJob = message({
  key: one(1, int64),
  type: one(2, text),
  processInstanceKey: one(3, int64),
  bpmnProcessId: one(4, text),
  processDefinitionVersion: one(5, int32),
  processDefinitionKey: one(6, int64),
  elementId: one(7, text),
  elementInstanceKey: one(8, int64),
  customHeaders: one(9, text),
  worker: one(10, text),
  retries: one(11, int32),
  deadline: one(12, int64),
  variables: one(13, text),
  tenantId: one(14, text),
});

export type ActivatedJob = ValuesOf<typeof activatedJob>;

const createRequest = message({
  processDefinitionKey: one(1, int64),
  bpmnProcessId: one(2, text),
  version: one(3, int32),
  variables: one(4, text),
});

const instance = {
  processDefinitionKey: one(1, int64),
  bpmnProcessId: one(2, text),
  version: one(3, int32),
  processInstanceKey: one(4, int64),
};

const process = message({
  bpmnProcessId: one(1, text),
  version: one(2, int32),
  processDefinitionKey: one(3, int64),
  resourceName: one(4, text),
  tenantId: one(5, text),
});

const decision = message({
  dmnDecisionId: one(1, text),
  dmnDecisionName: one(2, text),
  version: one(3, int32),
  decisionKey: one(4, int64),
  dmnDecisionRequirementsId: one(5, text),
  decisionRequirementsKey: one(6, int64),
  tenantId: one(7, text),
});

const decisionRequirements = message({
  dmnDecisionRequirementsId: one(1, text),
  dmnDecisionRequirementsName: one(2, text),
  version: one(3, int32),
  decisionRequirementsKey: one(4, int64),
  resourceName: one(5, text),
  tenantId: one(6, text),
});

const form = message({
  formId: one(1, text),
  version: one(2, int32),
  formKey: one(3, int64),
  resourceName: one(4, text),
  tenantId: one(5, text),
});

const deployment = message({
  process: one(1, nested(process)),
  decision: one(2, nested(decision)),
  decisionRequirements: one(3, nested(decisionRequirements)),
  form: one(4, nested(form)),
});

const resource = message({ name: one(1, text), content: one(2, bytes) });

const partition = message({
  partitionId: one(1, int32),
  role: one(2, int32),
  health: one(3, int32),
});

const broker = message({
  nodeId: one(1, int32),
  host: one(2, text),
  port: one(3, int32),
  partitions: many(4, nested(partition)),
  version: one(5, text),
});

const nothing = message({});

/** The methods of `gateway_protocol.Gateway` that are called. */
export const gateway = {
  activateJobs: {
    name: "ActivateJobs",
    request: message({
      type: one(1, text),
      worker: one(2, text),
      timeout: one(3, int64),
      maxJobsToActivate: one(4, int32),
      fetchVariable: many(5, text),
      requestTimeout: one(6, int64),
    }),
    response: message({ jobs: many(1, nested(activatedJob)) }),
  },
  cancelProcessInstance: {
    name: "CancelProcessInstance",
    request: message({ processInstanceKey: one(1, int64) }),
    response: nothing,
  },
  completeJob: {
    name: "CompleteJob",
    request: message({ jobKey: one(1, int64), variables: one(2, text) }),
    response: nothing,
  },
  createProcessInstance: {
    name: "CreateProcessInstance",
    request: createRequest,
    response: message({ ...instance, tenantId: one(5, text) }),
  },
  createProcessInstanceWithResult: {
    name: "CreateProcessInstanceWithResult",
    request: message({
      request: one(1, nested(createRequest)),
      requestTimeout: one(2, int64),
      fetchVariables: many(3, text),
    }),
    response: message({ ...instance, variables: one(5, text), tenantId: one(6, text) }),
  },
  deployResource: {
    name: "DeployResource",
    request: message({ resources: many(1, nested(resource)) }),
    response: message({
      key: one(1, int64),
      deployments: many(2, nested(deployment)),
      tenantId: one(3, text),
    }),
  },
  failJob: {
    name: "FailJob",
    request: message({
      jobKey: one(1, int64),
      retries: one(2, int32),
      errorMessage: one(3, text),
      retryBackOff: one(4, int64),
      variables: one(5, text),
    }),
    response: nothing,
  },
  publishMessage: {
    name: "PublishMessage",
    request: message({
      name: one(1, text),
      correlationKey: one(2, text),
      timeToLive: one(3, int64),
      messageId: one(4, text),
      variables: one(5, text),
    }),
    response: message({ key: one(1, int64), tenantId: one(2, text) }),
  },
  resolveIncident: {
    name: "ResolveIncident",
    request: message({ incidentKey: one(1, int64) }),
    response: nothing,
  },
  setVariables: {
    name: "SetVariables",
    request: message({
      elementInstanceKey: one(1, int64),
      variables: one(2, text),
      local: one(3, bool),
    }),
    response: message({ key: one(1, int64) }),
  },
  throwError: {
    name: "ThrowError",
    request: message({
      jobKey: one(1, int64),
      errorCode: one(2, text),
      errorMessage: one(3, text),
    }),
    response: nothing,
  },
  topology: {
    name: "Topology",
    request: nothing,
    response: message({
      brokers: many(1, nested(broker)),
      clusterSize: one(2, int32),
      partitionsCount: one(3, int32),
      replicationFactor: one(4, int32),
      gatewayVersion: one(5, text),
    }),
  },
  updateJobRetries: {
    name: "UpdateJobRetries",
    request: message({ jobKey: one(1, int64), retries: one(2, int32) }),
    response: nothing,
  },
  updateJobTimeout: {
    name: "UpdateJobTimeout",
    request: message({ jobKey: one(1, int64), timeout: one(2, int64) }),
    response: nothing,
  },
};
