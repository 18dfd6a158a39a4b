import { parseDuration } from "../metadata/duration.ts";
import { isNull, Mapping } from "./mapping.ts";
import type { Source } from "./source.ts";
import { textOf, type Finding, type Tree } from "./tree.ts";

/** What Dapr's `spec.tracing` says. */
export type TracingConfiguration = {
  /** As it is written; empty: nothing is said. */
  readonly samplingRate: string;
  /** Spans go to the log. */
  readonly stdout: boolean;
  /** The URL of Zipkin's API; empty: none. */
  readonly zipkin: string;
  readonly otel: OtelConfiguration | undefined;
};

export type OtelConfiguration = {
  /** `host:port`, with or without a scheme and a path. */
  readonly address: string;
  readonly protocol: "grpc" | "http";
  readonly isSecure: boolean;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds; `undefined`: nothing is said. */
  readonly timeout: number | undefined;
};

/** Reads `spec.tracing`. `undefined`: there is none. */
export function readTracing(
  spec: Mapping,
  source: Source,
  findings: Finding[],
): TracingConfiguration | undefined {
  const tracing = spec.mapping("tracing");
  if (tracing === undefined) return undefined;
  tracing.reportUnknown(["samplingRate", "stdout", "zipkin", "otel"]);
  const zipkin = tracing.mapping("zipkin");
  zipkin?.reportUnknown(["endpointAddress"]);
  return {
    samplingRate: readRate(tracing),
    stdout: readBool(tracing, "stdout") ?? false,
    zipkin: zipkin?.text("endpointAddress")?.text ?? "",
    otel: readOtel(tracing, source, findings),
  };
}

function readRate(tracing: Mapping): string {
  const rate = tracing.text("samplingRate");
  if (rate === undefined || rate.text === "") return "";
  const number = Number(rate.text);
  if (number >= 0 && number <= 1) return rate.text;
  tracing.report("warning", rate.range, "samplingRate must be 0 to 1; 0.0001 counts instead");
  return "";
}

function readOtel(
  tracing: Mapping,
  source: Source,
  findings: Finding[],
): OtelConfiguration | undefined {
  const otel = tracing.mapping("otel");
  if (otel === undefined) return undefined;
  otel.reportUnknown(["protocol", "endpointAddress", "isSecure", "headers", "timeout"]);
  const address = otel.text("endpointAddress")?.text ?? "";
  const protocol = otel.text("protocol");
  const isSecure = readBool(otel, "isSecure") ?? true;
  const headers = readHeaders(otel, source, findings);
  const timeout = readTimeout(otel);
  if (address === "") return undefined;
  if (protocol?.text !== "grpc" && protocol?.text !== "http") {
    const text = "spec.tracing.otel.protocol must be grpc or http; nothing is exported there";
    otel.report("warning", protocol?.range ?? otel.range, text);
    return undefined;
  }
  return { address, protocol: protocol.text, isSecure, headers, timeout };
}

/** Of a file `name=value`; of a Kubernetes resource `name` and `value`. */
function readHeaders(
  otel: Mapping,
  source: Source,
  findings: Finding[],
): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const [index, tree] of otel.list("headers").entries()) {
    const path = `spec.tracing.otel.headers[${index}].`;
    const header = readHeader(otel, tree, path, source, findings);
    if (header !== undefined) headers[header.name.toLowerCase()] = header.value;
  }
  return headers;
}

function readHeader(
  otel: Mapping,
  tree: Tree,
  path: string,
  source: Source,
  findings: Finding[],
): { name: string; value: string } | undefined {
  if (tree.kind === "map") {
    const header = new Mapping(tree, path, source, findings);
    header.reportUnknown(["name", "value", "secretKeyRef", "envRef"]);
    const name = header.text("name")?.text ?? "";
    const variable = header.text("envRef")?.text;
    const entry = header.entry("value");
    const text =
      entry === undefined || entry.value.kind !== "scalar" || isNull(entry.value)
        ? undefined
        : textOf(entry.value);
    const value = text ?? (variable === undefined ? undefined : process.env[variable]);
    if (name !== "" && value !== undefined) return { name, value };
    const why = header.entry("secretKeyRef") ? "; secrets are not read, variables are: envRef" : "";
    header.report("warning", tree.range, `a header needs name and value, and is left out${why}`);
    return undefined;
  }
  const text = tree.kind === "scalar" ? textOf(tree) : "";
  const at = text.indexOf("=");
  if (at > 0) return { name: text.slice(0, at), value: text.slice(at + 1) };
  otel.report("warning", tree.range, 'a header must be "name=value"; it is left out');
  return undefined;
}

function readTimeout(otel: Mapping): number | undefined {
  const timeout = otel.text("timeout");
  if (timeout === undefined || timeout.text === "") return undefined;
  // A bare number is one of Go's durations: nanoseconds.
  const milliseconds = parseDuration(timeout.text, 1e-6);
  if (milliseconds !== undefined && milliseconds >= 1) return milliseconds;
  otel.report("warning", timeout.range, 'timeout must be a duration, as "10s"; 10s counts instead');
  return undefined;
}

/** True or false; `undefined`: neither, which is told, or nothing. */
export function readBool(mapping: Mapping | undefined, key: string): boolean | undefined {
  const entry = mapping?.entry(key);
  if (entry === undefined || isNull(entry.value)) return undefined;
  const { value } = entry;
  if (value.kind === "scalar" && ["true", "false"].includes(textOf(value).toLowerCase()))
    return textOf(value).toLowerCase() === "true";
  mapping?.report("error", value.range, `${key} must be true or false`);
  return undefined;
}
