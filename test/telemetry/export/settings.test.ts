import { expect, test } from "vitest";
import type { TracingConfiguration } from "../../../src/resources/tracing-configuration.ts";
import { readExportSettings } from "../../../src/telemetry/export/settings.ts";

const configured: TracingConfiguration = {
  ...{ samplingRate: "", stdout: false, zipkin: "", otel: undefined },
};

function read(variables: Record<string, string>, configuration?: Partial<TracingConfiguration>) {
  return readExportSettings(
    variables,
    configuration && { ...configured, ...configuration },
    "shop",
  );
}

const none = { ca: undefined, cert: undefined, key: undefined };
const otlp = {
  ...{ kind: "otlp", protocol: "http/protobuf", url: "http://localhost:4318/v1/traces" },
  ...{ headers: {}, timeout: 10_000, compress: false, certificates: none },
};

test.each([
  {},
  { OTEL_SERVICE_NAME: "a", OTEL_TRACES_SAMPLER: "always_on", OTEL_EXPORTER_OTLP_HEADERS: "a=b" },
  { OTEL_TRACES_EXPORTER: "none", OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318" },
  { OTEL_SDK_DISABLED: "true", OTEL_TRACES_EXPORTER: "otlp", OTEL_METRICS_EXPORTER: "otlp" },
  { OTEL_TRACES_EXPORTER: "otlp", OTEL_TRACES_SAMPLER: "always_off" },
  { OTEL_METRICS_EXPORTER: "prometheus" },
  { OTEL_EXPORTER_OTLP_ENDPOINT: " " },
])("nothing is exported with %o", (variables) => {
  const { traces, metrics, warnings } = read(variables);
  expect([traces, metrics, warnings]).toEqual([undefined, undefined, []]);
});

test("the specification's defaults count where an exporter is named and nothing else", () => {
  const { traces, metrics, resource, warnings } = read({ OTEL_TRACES_EXPORTER: "otlp" });
  expect(traces).toEqual({
    sampling: { threshold: 0, heedsCaller: true },
    targets: [otlp],
    batch: { delay: 5000, timeout: 30_000, queue: 2048, batch: 512 },
    limits: {
      ...{ valueLength: 4096, attributes: 128, events: 128, links: 128 },
      ...{ eventAttributes: 128, linkAttributes: 128 },
    },
  });
  expect([metrics, resource, warnings]).toEqual([undefined, { "service.name": "shop" }, []]);
});

test("every variable of OTLP counts, that of the signal before that of all", () => {
  const { traces, metrics, warnings } = read({
    OTEL_EXPORTER_OTLP_ENDPOINT: "https://all:4318/base",
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://traces:4318/own/path",
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: "http/json",
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
    OTEL_EXPORTER_OTLP_HEADERS: "Authorization=Bearer%20a,x=1",
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: "x=2",
    OTEL_EXPORTER_OTLP_TIMEOUT: "2000",
    OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: "3000",
    OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
    OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: "none",
    OTEL_EXPORTER_OTLP_CERTIFICATE: "/ca.pem",
    OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE: "/cert.pem",
    OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: "/key.pem",
    OTEL_METRICS_EXPORTER: "otlp",
    OTEL_METRIC_EXPORT_INTERVAL: "1000",
  });
  expect(warnings).toEqual([]);
  expect(traces?.targets).toEqual([
    {
      ...{ kind: "otlp", protocol: "http/protobuf", url: "http://traces:4318/own/path" },
      ...{ headers: { authorization: "Bearer a", x: "2" }, timeout: 2000, compress: true },
      certificates: { ca: "/ca.pem", cert: "/cert.pem", key: "/key.pem" },
    },
  ]);
  expect(metrics).toEqual({
    target: {
      ...{ kind: "otlp", protocol: "http/json", url: "https://all:4318/base/v1/metrics" },
      ...{ headers: { authorization: "Bearer a", x: "1" }, timeout: 3000, compress: false },
      certificates: { ...none, ca: "/ca.pem" },
    },
    ...{ interval: 1000, timeout: 1000 },
  });
});

test.each([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4317" }, "grpc", "http://c:4317"],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318" }, "http/protobuf", "http://c:4318/v1/traces"],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "c:4317" }, "grpc", "https://c:4317"],
  [
    { OTEL_EXPORTER_OTLP_ENDPOINT: "c:4317", OTEL_EXPORTER_OTLP_INSECURE: "true" },
    ...["grpc", "http://c:4317"],
  ],
  [
    { OTEL_TRACES_EXPORTER: "otlp", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
    ...["grpc", "http://localhost:4317"],
  ],
] as const)("%o means %s to %s", (variables, protocol, url) => {
  const { traces, warnings } = read(variables);
  expect(traces?.targets).toMatchObject([{ protocol, url }]);
  expect(warnings).toEqual([]);
});

test("batches, limits, service and resource are what their variables say", () => {
  const { traces, resource, warnings } = read({
    OTEL_TRACES_EXPORTER: "otlp",
    OTEL_BSP_SCHEDULE_DELAY: "1",
    OTEL_BSP_EXPORT_TIMEOUT: "2",
    OTEL_BSP_MAX_QUEUE_SIZE: "30",
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "4",
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: "5",
    OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: "6",
    OTEL_ATTRIBUTE_COUNT_LIMIT: "7",
    OTEL_SPAN_EVENT_COUNT_LIMIT: "8",
    OTEL_SPAN_LINK_COUNT_LIMIT: "9",
    OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT: "10",
    OTEL_LINK_ATTRIBUTE_COUNT_LIMIT: "11",
    OTEL_RESOURCE_ATTRIBUTES: "service.name=other,deployment.environment.name=a%2Cb",
    OTEL_SERVICE_NAME: "orders",
    OTEL_PROPAGATORS: "tracecontext,baggage",
  });
  expect(traces?.batch).toEqual({ delay: 1, timeout: 2, queue: 30, batch: 4 });
  expect(traces?.limits).toEqual({
    ...{ valueLength: 6, attributes: 7, events: 8, links: 9 },
    ...{ eventAttributes: 10, linkAttributes: 11 },
  });
  expect(resource).toEqual({ "service.name": "orders", "deployment.environment.name": "a,b" });
  expect(warnings).toEqual([]);
});

test.each([
  ["always_on", undefined, 0, false],
  ["traceidratio", "0.25", 0.75 * 2 ** 32, false],
  ["parentbased_always_on", undefined, 0, true],
  ["parentbased_always_off", undefined, 2 ** 32, true],
  ["parentbased_traceidratio", "0.01", Math.round(0.99 * 2 ** 32), true],
  ["ParentBased_TraceIdRatio", undefined, 0, true],
] as const)("the sampler %s with %s", (sampler, argument, threshold, heedsCaller) => {
  const { traces, warnings } = read({
    ...{ OTEL_TRACES_EXPORTER: "otlp", OTEL_TRACES_SAMPLER: sampler },
    ...(argument !== undefined && { OTEL_TRACES_SAMPLER_ARG: argument }),
  });
  expect(traces?.sampling).toEqual({ threshold, heedsCaller });
  expect(warnings).toEqual([]);
});

test("what has no effect, or none that was meant, is named, and secrets are not", () => {
  const { traces, warnings } = read({
    OTEL_TRACES_EXPORTER: "otlp,jaeger",
    OTEL_EXPORTER_OTLP_PROTOCOL: "thrift",
    OTEL_EXPORTER_OTLP_HEADERS: "secret-token",
    OTEL_EXPORTER_OTLP_TIMEOUT: "soon",
    OTEL_EXPORTER_OTLP_COMPRESSION: "brotli",
    OTEL_EXPORTER_OTLP_INSECURE: "maybe",
    OTEL_TRACES_SAMPLER: "xray",
    OTEL_BSP_MAX_QUEUE_SIZE: "10",
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "20",
    OTEL_PROPAGATORS: "b3,baggage",
    OTEL_METRICS_EXPORTER: "statsd",
    OTEL_EXPORTER_JAEGER_ENDPOINT: "http://j",
    OTEL_LOGS_EXPORTER: "otlp",
  });
  expect(traces?.targets).toEqual([otlp]);
  expect(warnings).toEqual([
    'OTEL_EXPORTER_OTLP_PROTOCOL must be grpc, http/protobuf, http/json; http/protobuf counts instead of "thrift"',
    'OTEL_EXPORTER_OTLP_INSECURE must be true or false; false counts instead of "maybe"',
    "OTEL_EXPORTER_OTLP_HEADERS must be name=value pairs with commas between them; one of them is left out",
    'OTEL_EXPORTER_OTLP_TIMEOUT must be a number of at least 1; the default counts instead of "soon"',
    'OTEL_EXPORTER_OTLP_COMPRESSION must be gzip or none; none counts instead of "brotli"',
    'OTEL_TRACES_EXPORTER must be otlp, zipkin, console or none, with commas between several; nothing is exported to "jaeger"',
    'OTEL_TRACES_SAMPLER must be one of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio; parentbased_always_on counts instead of "xray"',
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE is above OTEL_BSP_MAX_QUEUE_SIZE, which counts instead",
    'OTEL_METRICS_EXPORTER must be otlp, prometheus or none; nothing is exported to "statsd"',
    "OTEL_PROPAGATORS: tracecontext and baggage are what is propagated, and not b3",
    "these variables have no effect here: OTEL_EXPORTER_JAEGER_ENDPOINT, OTEL_LOGS_EXPORTER",
  ]);
});

test("what no timer can wait for, and a queue without end, are bounded", () => {
  const endless = "99999999999";
  const { traces, warnings } = read({
    OTEL_TRACES_EXPORTER: "otlp",
    OTEL_BSP_SCHEDULE_DELAY: endless,
    OTEL_BSP_EXPORT_TIMEOUT: "Infinity",
    OTEL_BSP_MAX_QUEUE_SIZE: endless,
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "1.5",
  });
  expect(traces?.batch).toEqual({
    ...{ delay: 2 ** 31 - 1, timeout: 2 ** 31 - 1, queue: 65_536, batch: 1 },
  });
  expect(warnings.toSorted()).toEqual([
    "OTEL_BSP_EXPORT_TIMEOUT must be a number of at most 2147483647, which counts instead",
    "OTEL_BSP_MAX_QUEUE_SIZE must be a number of at most 65536, which counts instead",
    "OTEL_BSP_SCHEDULE_DELAY must be a number of at most 2147483647, which counts instead",
  ]);
});

test("an endpoint that is none is told, without what it says", () => {
  const { traces, warnings } = read({ OTEL_EXPORTER_OTLP_ENDPOINT: "ftp://user:secret@host" });
  expect(traces).toBeUndefined();
  expect(warnings).toEqual([
    "OTEL_EXPORTER_OTLP_ENDPOINT is no URL of HTTP, so that nothing is exported there",
  ]);
});

const otel = {
  ...({ address: "collector:4317", protocol: "grpc", isSecure: false, timeout: 3000 } as const),
  headers: { key: "a" },
};

test("Dapr's Configuration is what daprd does with it: one trace in 10,000 unless it says more, before the variables", () => {
  const { traces, warnings } = read(
    { OTEL_EXPORTER_OTLP_ENDPOINT: "http://other:4317", OTEL_EXPORTER_OTLP_HEADERS: "a=b" },
    { otel },
  );
  expect(traces?.sampling).toEqual({ threshold: Math.round(0.9999 * 2 ** 32), heedsCaller: true });
  expect(traces?.targets).toEqual([
    {
      ...{ ...otlp, protocol: "grpc", url: "http://collector:4317" },
      ...{ headers: { key: "a" }, timeout: 3000 },
    },
  ]);
  expect(warnings).toEqual([
    "spec.tracing.otel of the Configuration counts, and not OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS",
  ]);
});

test("Zipkin, the log and OTLP over HTTP may all be in the Configuration", () => {
  const { traces, warnings } = read(
    { OTEL_TRACES_EXPORTER: "console" },
    {
      ...{ samplingRate: "1", stdout: true, zipkin: "http://zipkin:9411/api/v2/spans" },
      otel: { ...otel, protocol: "http", address: "collector:4318", isSecure: true },
    },
  );
  expect(traces?.targets).toMatchObject([
    { kind: "otlp", protocol: "http/protobuf", url: "https://collector:4318/v1/traces" },
    { kind: "zipkin", url: "http://zipkin:9411/api/v2/spans", timeout: 10_000 },
    { kind: "log" },
  ]);
  expect(traces?.sampling).toEqual({ threshold: 0, heedsCaller: true });
  expect(warnings).toEqual([]);
});

test("the Configuration's rate counts for variables' exporters too, unless a variable says another", () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318" };
  const half = { samplingRate: "0.5" };
  expect(read(endpoint, half).traces?.sampling.threshold).toBe(2 ** 31);
  expect(read(endpoint, {}).traces?.sampling.threshold).toBe(0);
  const both = read({ ...endpoint, OTEL_TRACES_SAMPLER: "always_on" }, half);
  expect(both.traces?.sampling).toEqual({ threshold: 0, heedsCaller: false });
  expect(both.warnings).toEqual([
    "OTEL_TRACES_SAMPLER counts, and not the Configuration's samplingRate",
  ]);
});
