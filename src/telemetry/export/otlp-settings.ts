import type { OtelConfiguration } from "../../resources/tracing-configuration.ts";
import { quote, type Environment } from "./environment.ts";

/** Where and how something is exported by OTLP. */
export type OtlpSettings = {
  readonly kind: "otlp";
  readonly protocol: "grpc" | "http/protobuf" | "http/json";
  /** The whole URL; of gRPC its scheme, host and port count. */
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds for one export, with what is tried again. */
  readonly timeout: number;
  readonly compress: boolean;
  /** Files with PEM texts. */
  readonly certificates: {
    readonly ca: string | undefined;
    readonly cert: string | undefined;
    readonly key: string | undefined;
  };
};

type Signal = "TRACES" | "METRICS";

const paths = { TRACES: "v1/traces", METRICS: "v1/metrics" } as const;
const protocols = ["grpc", "http/protobuf", "http/json"] as const;
const defaultTimeout = 10_000;
const grpcPort = "4317";

/** The variables of a signal, each with the one for all signals. */
function names(signal: Signal, field: string): [string, string] {
  return [`OTEL_EXPORTER_OTLP_${signal}_${field}`, `OTEL_EXPORTER_OTLP_${field}`];
}

/** Whether a variable says where to export to by OTLP. */
export function namesEndpoint(environment: Environment, signal: Signal): boolean {
  return environment.first(names(signal, "ENDPOINT")) !== undefined;
}

/** What the variables say. `undefined`: of an endpoint that is none, which is told. */
export function otlpOf(environment: Environment, signal: Signal): OtlpSettings | undefined {
  const endpoint = environment.first(names(signal, "ENDPOINT"));
  const isOfSignal = endpoint?.name === names(signal, "ENDPOINT")[0];
  const protocol = protocolOf(environment, signal, endpoint?.text);
  const isInsecure = names(signal, "INSECURE")
    .map((name) => environment.bool(name))
    .some(Boolean);
  const url = urlOf(endpoint?.text, protocol, isInsecure, isOfSignal ? "" : paths[signal]);
  const common = commonOf(environment, signal);
  if (url !== undefined) return { kind: "otlp", protocol, url, ...common };
  // An address may have a password.
  environment.warn(`${endpoint?.name} is no URL of HTTP, so that nothing is exported there`);
  return undefined;
}

/** What Dapr's Configuration says, which goes before the variables, as in daprd. */
export function otlpOfConfiguration(
  environment: Environment,
  { address, protocol, isSecure, headers, timeout }: OtelConfiguration,
): OtlpSettings | undefined {
  const bare = address.replace(/^https?:\/\//, "");
  const base = `${isSecure ? "https" : "http"}://${bare}`;
  const { compress, certificates } = commonOf(environment, "TRACES");
  const ignored = ["ENDPOINT", "PROTOCOL", "HEADERS", "TIMEOUT", "INSECURE"].flatMap((field) =>
    names("TRACES", field).filter((name) => environment.text(name) !== undefined),
  );
  if (ignored.length > 0)
    environment.warn(
      `spec.tracing.otel of the Configuration counts, and not ${ignored.join(", ")}`,
    );
  const url = protocol === "grpc" ? base : withPath(base, paths.TRACES);
  if (!URL.canParse(url)) {
    environment.warn(
      "spec.tracing.otel.endpointAddress is no address, so that nothing is exported there",
    );
    return undefined;
  }
  return {
    ...{ kind: "otlp", protocol: protocol === "grpc" ? "grpc" : "http/protobuf", url, headers },
    ...{ timeout: timeout ?? defaultTimeout, compress, certificates },
  };
}

function commonOf(environment: Environment, signal: Signal) {
  const [ofSignal, ofAll] = names(signal, "HEADERS");
  const headers = { ...environment.pairs(ofAll), ...environment.pairs(ofSignal) };
  const file = (field: string): string | undefined => environment.first(names(signal, field))?.text;
  return {
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
    ),
    timeout: environment.optional(names(signal, "TIMEOUT"), 1) ?? defaultTimeout,
    compress: compressOf(environment, signal),
    certificates: {
      ca: file("CERTIFICATE"),
      cert: file("CLIENT_CERTIFICATE"),
      key: file("CLIENT_KEY"),
    },
  };
}

function compressOf(environment: Environment, signal: Signal): boolean {
  const said = environment.first(names(signal, "COMPRESSION"));
  if (said === undefined || said.text === "none" || said.text === "gzip")
    return said?.text === "gzip";
  environment.warn(`${said.name} must be gzip or none; none counts instead of ${quote(said.text)}`);
  return false;
}

/** Without a word about it, the port for gRPC means gRPC. */
function protocolOf(
  environment: Environment,
  signal: Signal,
  endpoint: string | undefined,
): OtlpSettings["protocol"] {
  const said = environment.first(names(signal, "PROTOCOL"));
  const usual = endpoint !== undefined && portOf(endpoint) === grpcPort ? "grpc" : "http/protobuf";
  if (said === undefined) return usual;
  const known = protocols.find((one) => one === said.text);
  if (known !== undefined) return known;
  environment.warn(
    `${said.name} must be ${protocols.join(", ")}; ${usual} counts instead of ${quote(said.text)}`,
  );
  return usual;
}

function portOf(endpoint: string): string {
  const url = withScheme(endpoint, true);
  return URL.canParse(url) ? new URL(url).port : "";
}

function urlOf(
  endpoint: string | undefined,
  protocol: OtlpSettings["protocol"],
  isInsecure: boolean,
  path: string,
): string | undefined {
  const usual = protocol === "grpc" ? `http://localhost:${grpcPort}` : "http://localhost:4318";
  const base = endpoint === undefined ? usual : withScheme(endpoint, isInsecure);
  const url = protocol === "grpc" ? base : withPath(base, path);
  if (!URL.canParse(url)) return undefined;
  const { protocol: scheme } = new URL(url);
  return scheme === "http:" || scheme === "https:" ? url : undefined;
}

/** `host:port` is what daprd takes as well. */
function withScheme(endpoint: string, isInsecure: boolean): string {
  return endpoint.includes("://") ? endpoint : `${isInsecure ? "http" : "https"}://${endpoint}`;
}

function withPath(base: string, path: string): string {
  if (path === "") return base;
  return base.endsWith("/") ? base + path : `${base}/${path}`;
}
