import { defineBinding } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { BindingError } from "../../../errors.ts";
import {
  bool,
  duration,
  integer,
  list,
  number,
  string,
  type Values,
} from "../../../metadata/fields.ts";
import { gatewayFields } from "../fields.ts";
import { checkGateway, examineGateway, openGateway } from "../gateway.ts";
import { JobWorker } from "../job-worker.ts";

const usualTimeout = 5 * 60_000;
const usualRequestTimeout = 10_000;
const usualJobs = 32;
const usualConcurrency = 4;
const usualInterval = 100;
const usualThreshold = 0.3;

const workerFields = {
  ...gatewayFields,
  jobType: string({
    description: "The type of the jobs, as the process names it in its task definition.",
    required: true,
    example: "fetch-products",
  }),
  workerName: string({
    description: "What the engine calls the worker in its own tools. Default: `default`.",
    example: "products-worker",
  }),
  workerTimeout: duration({
    description:
      "For how long the engine gives a job to nobody else unless it is asked for more, which it is each third of that. After a crash jobs come again so much later. 0: the default.",
    default: "5m",
  }),
  requestTimeout: duration({
    description:
      "How long the gateway waits for a job before it answers that there is none. 0: the default. Below zero: it answers at once.",
    default: "10s",
  }),
  maxJobsActive: integer({
    description: "The most jobs that are here at one time. 0: the default.",
    default: "32",
    min: 0,
  }),
  concurrency: integer({
    description:
      "The most jobs that the app has at one time; others wait for their turn. 0: the default.",
    default: "4",
    min: 0,
  }),
  pollInterval: duration({
    description: "The pause after the gateway had no job. 0: the default.",
    default: "100ms",
  }),
  pollThreshold: number({
    description:
      "More jobs are asked for when no more than this share of `maxJobsActive` is here. 0: the default.",
    default: "0.3",
  }),
  fetchVariables: list({
    description: "The variables that a job brings. Default: all that it can see.",
    example: "productId, productName",
  }),
  autocomplete: bool({
    description:
      "Completes a job once the app has handled it, with the variables of the app's reply. `false`: the app does that by `zeebe.command`.",
    default: "true",
  }),
  retryBackOff: duration({
    description: "How long the engine waits before it gives out a job again that has failed.",
    example: "15s",
  }),
} as const;

type Metadata = Values<typeof workerFields>;

export default defineBinding({
  name: "zeebe.jobworker",
  status: "stable",
  summary: "Handles jobs of Zeebe, Camunda's workflow engine.",
  provedBy: [{ system: "Zeebe's gateway", kind: "stand-in" }],
  metadata: workerFields,

  check: async (metadata) => problemsOf([() => checkWorker(metadata)]),

  open({ metadata, memory, hide, signal }) {
    checkWorker(metadata);
    return openGateway(metadata, memory, hide, signal);
  },

  guarantee: {
    returned:
      "fails: the engine gives it out again while it has retries left, and then has an incident",
    atLeastOnce: "the engine keeps its jobs until they are completed",
    shared: true,
    duplicates: {
      app: "what the app has: `concurrency` (4)",
      runtime: "what was taken: `maxJobsActive` (32), and what waits for a retry",
      server: "the same",
    },
  },

  // Each failure takes one of the job's retries.
  countsAttempts: true,
  retry: { inbound: () => ({ attempts: 1 }) },

  read(service, reading) {
    const { metadata } = reading;
    const maxJobsActive = metadata.maxJobsActive || usualJobs;
    const share = metadata.pollThreshold > 0 ? metadata.pollThreshold : usualThreshold;
    return new JobWorker({
      ...{ service, reading, maxJobsActive, jobType: metadata.jobType },
      workerName: metadata.workerName || "default",
      workerTimeout: Math.ceil(metadata.workerTimeout) || usualTimeout,
      requestTimeout: Math.trunc(metadata.requestTimeout || usualRequestTimeout),
      concurrency: metadata.concurrency || usualConcurrency,
      pollInterval: metadata.pollInterval || usualInterval,
      threshold: Math.round(maxJobsActive * share),
      fetchVariables: metadata.fetchVariables ?? [],
      autocomplete: metadata.autocomplete,
      retryBackOff: metadata.retryBackOff ?? 0,
    });
  },

  async examine(service, questions) {
    const { unknown, omit } = questions;
    // A type of jobs is no more than a name.
    omit("exists");
    await examineGateway(service, questions);
    unknown("may read", "", "whoever asks for jobs gets them");
  },

  async ping(service, signal) {
    await service.ping(signal);
  },
});

function checkWorker(metadata: Metadata): void {
  if (metadata.jobType === "")
    throw new BindingError("invalid_argument", "jobType is a required attribute");
  for (const name of ["workerTimeout", "pollInterval", "retryBackOff"] as const)
    if ((metadata[name] ?? 0) < 0)
      throw new BindingError("invalid_argument", `${name} must not be below zero`);
  checkGateway(metadata);
}
