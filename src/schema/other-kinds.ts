import { elsewhere } from "../resources/configuration.ts";
import { ownRetryKeys, retryKeys } from "../resources/resiliency-rules.ts";
import type { Schema } from "./values.ts";

const metadata = { $ref: "#/definitions/metadata" };
const text = { type: ["string", "number", "null"] };
const duration = {
  type: ["string", "number", "null"],
  pattern: "^(?:[+-]?(?:[0-9]+|(?:(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+))?$",
  patternErrorMessage: 'This must be a duration, such as "5s" or "1m30s".',
};
const integer = { type: ["integer", "string", "null"] };

/** Dapr's Resiliency, as far as it is read. */
export function resiliencySchema(): Schema {
  const retry: Record<string, Schema> = {
    policy: {
      description: "Whether the pause between attempts is constant or grows.",
      enum: ["constant", "exponential"],
    },
    duration: { description: "The pause of the constant policy. Default: 5s.", ...duration },
    maxInterval: { description: "The longest pause of the exponential policy.", ...duration },
    maxRetries: { description: "Attempts after the first. -1, the default: no limit.", ...integer },
    matching: {
      description: "Which failures are retried. Default: those that may be.",
      ...mapping({
        httpStatusCodes: {
          ...text,
          description: "HTTP statuses and ranges of them, as 429,500-599.",
        },
        gRPCStatusCodes: {
          ...text,
          description: "gRPC status numbers and ranges of them, as 4,8-14.",
        },
      }),
    },
    initialInterval: { description: "The first pause of the exponential policy.", ...duration },
    multiplier: { description: "The factor between two pauses.", ...text },
    randomizationFactor: { description: "The random variation of a pause, 0 to 1.", ...text },
  };
  const breaker = mapping({
    maxRequests: { description: "Calls that are let through to try it out.", ...integer },
    interval: { description: "After which the counts start again.", ...duration },
    timeout: { description: "How long the breaker stays open.", ...duration },
    trip: { description: "When it opens, as consecutiveFailures > 5.", ...text },
  });
  const names = mapping({ timeout: text, retry: text, circuitBreaker: text });
  const others = { type: ["object", "null"] };
  return {
    additionalProperties: false,
    required: ["metadata", "spec"],
    properties: {
      apiVersion: {},
      kind: {},
      version: {},
      metadata,
      scopes: {
        description: "The ids of the apps that this is for. Absent: all.",
        type: ["array", "null"],
        items: { type: ["string", "number", "boolean"] },
      },
      spec: mapping({
        policies: mapping({
          timeouts: named({
            ...duration,
            description: "The longest time that one call may take.",
          }),
          retries: named(
            mapping(
              Object.fromEntries(
                [...retryKeys, ...ownRetryKeys].map((key) => [key, retry[key] ?? {}]),
              ),
            ),
          ),
          circuitBreakers: named(breaker),
        }),
        targets: mapping({
          apps: others,
          actors: others,
          components: {
            description: "Which policies a component has, by its name.",
            ...named(
              mapping({
                inbound: { description: "For events to the app.", ...names },
                outbound: { description: "For invocations.", ...names },
              }),
            ),
          },
        }),
      }),
    },
  };
}

/** Dapr's Configuration. What concerns other building blocks has no effect, and is no mistake. */
export function configurationSchema(): Schema {
  const enabled = mapping({ enabled: { type: ["boolean", "string", "null"] } }, true);
  const known: Record<string, Schema> = {
    features: {
      description: "HotReload: whether changed resources are loaded by themselves.",
      type: ["array", "null"],
      items: mapping({
        name: { type: "string" },
        enabled: { type: ["boolean", "string", "null"] },
      }),
    },
    components: mapping({
      deny: {
        description: "Types that may not be used, as bindings.http or bindings.http/v1.",
        type: ["array", "null"],
        items: { type: "string" },
      },
    }),
    metric: enabled,
    metrics: enabled,
    tracing: tracingSchema(),
    wasm: mapping(
      {
        strictSandbox: {
          description: "All guests of bindings.wasm are strict.",
          type: ["boolean", "string", "null"],
        },
      },
      true,
    ),
  };
  return {
    additionalProperties: false,
    properties: {
      apiVersion: {},
      kind: {},
      metadata,
      spec: mapping({
        ...known,
        ...Object.fromEntries(elsewhere.map((key) => [key, {}])),
      }),
    },
  };
}

function tracingSchema(): Schema {
  const text: Schema = { type: ["string", "null"] };
  const truth: Schema = { type: ["boolean", "string", "null"] };
  const tracing = mapping({
    samplingRate: {
      description: "How many of the traces that begin here are recorded: 0 to 1.",
      type: ["string", "number", "null"],
    },
    stdout: { ...truth, description: "Spans go to the log." },
    zipkin: mapping({ endpointAddress: text }),
    otel: mapping({
      protocol: { enum: ["grpc", "http", "", null] },
      endpointAddress: text,
      isSecure: truth,
      headers: {
        description: "Each name=value, or a name and a value.",
        type: ["array", "null"],
      },
      timeout: { type: ["string", "number", "null"] },
    }),
  });
  return { ...tracing, description: "Where traces go, and how many of them." };
}

function mapping(properties: Schema, open = false): Schema {
  return { type: ["object", "null"], ...(open ? {} : { additionalProperties: false }), properties };
}

function named(value: Schema): Schema {
  return { type: ["object", "null"], additionalProperties: value };
}
