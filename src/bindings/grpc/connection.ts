import { createSecureContext } from "node:tls";
import type { DescMethod, FileRegistry, Registry } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { abortable } from "../../abortable.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { CallFailure, GrpcClient } from "../../grpc/client.ts";
import type { ClientTls } from "../../grpc/client-socket.ts";
import { endpointForms, parseEndpoint, type Endpoint } from "../../grpc/endpoint.ts";
import { withReflection, type Asking, type Question } from "../../grpc/reflection-client.ts";
import { Code } from "../../grpc/status.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import type { Values } from "../../metadata/fields.ts";
import { authoritiesOf, pemOrFile } from "../../tls/pem.ts";
import { Descriptors } from "./descriptors.ts";
import { failureOf } from "./failures.ts";
import type { grpcFields } from "./fields.ts";
import { callHeaders, type CallHeaders } from "./headers.ts";

export type GrpcMetadata = Values<typeof grpcFields>;

/** What a call is of, as far as it was said. */
export type Named = { readonly service?: string | undefined; readonly method?: string | undefined };

export type MethodName = { readonly service: string; readonly method: string };

export type Found = { readonly method: DescMethod; readonly registry: FileRegistry };

/** Milliseconds for all questions that one call needs answered. */
const reflectionTimeout = 10_000;
/** The most characters of the server's text. */
const longestRefusal = 500;
/** Messages in messages of types that were not known: so many times the server is asked for them, for one call. */
const mostLookups = 8;

/** A server, and what is known of its methods. */
export class GrpcConnection implements AsyncDisposable {
  readonly client: GrpcClient;
  readonly #metadata: GrpcMetadata;
  readonly #headers: CallHeaders;
  /** `undefined`: the server is asked. */
  readonly #file: Descriptors | undefined;
  readonly #memory: MemoryShare;
  #learned = new Descriptors();
  /** The connection that they were learned over: behind another one there may be another version. */
  #generation = 0;
  readonly #asking = new Map<string, Promise<void>>();
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    client: GrpcClient,
    metadata: GrpcMetadata,
    memory: MemoryShare,
    headers: CallHeaders,
    file: Descriptors | undefined,
  ) {
    this.client = client;
    this.#memory = memory;
    this.#metadata = metadata;
    this.#headers = headers;
    this.#file = file;
  }

  /** Connects, and asks whether methods can be described. Throws a `BindingError`. */
  static async open(
    metadata: GrpcMetadata,
    memory: MemoryShare,
    signal: AbortSignal,
  ): Promise<GrpcConnection> {
    const { descriptorSet, maxResponseBodySize: maxBytes } = metadata;
    const endpoint = endpointOf(metadata);
    const tls = await tlsOf(metadata, endpoint.secure);
    const headers = callHeaders({}, metadata.headers);
    checkSettings(metadata);
    const file = descriptorSet ? await Descriptors.read(descriptorSet) : undefined;
    const client = new GrpcClient({
      ...endpoint,
      tls,
      lazy: true,
      retryRefused: false,
      answers: { maxBytes, setting: "maxResponseBodySize", memory: memory.forAnswers },
    });
    const connection = new GrpcConnection(client, metadata, memory, headers, file);
    try {
      await connection.ping(signal);
      if (file === undefined) await connection.#proveReflection(signal);
    } catch (error) {
      await client.close();
      throw error;
    }
    return connection;
  }

  /** The types that are known. */
  get registry(): FileRegistry {
    return this.#known.registry;
  }

  get #known(): Descriptors {
    return this.#file ?? this.#learned;
  }

  /** Any answer shows that the server is there: it need not have the service that is asked. */
  async ping(signal: AbortSignal): Promise<void> {
    const result = await this.client.unary("/grpc.health.v1.Health/Check", new Uint8Array(), {
      ...{ headers: this.#headers, signal, waitForConnection: true },
      timeout: reflectionTimeout,
    });
    if (result.kind === "ok" || (result.kind === "failed" && result.code !== Code.unavailable))
      return;
    const why = result.kind === "failed" ? result.failure : CallFailure.from(result);
    throw new BindingError("unavailable", `grpc: ${why.message || why.status}`, {
      effect: "unsent",
      systemCode: why.status,
    });
  }

  /** The method that a call names, else the component. Throws a `BindingError`. */
  name(named: Named): MethodName {
    return nameOf(named, this.#metadata);
  }

  /** Finds a method. Throws a `BindingError`: nothing of the call was sent. */
  async find({ service, method }: MethodName, signal: AbortSignal): Promise<Found> {
    if (this.#generation !== this.client.connection.generation) this.forget();
    let found = this.#known.method(service, method);
    if (found === undefined && this.#file === undefined) {
      // Of a service that was known without the method there is a newer version.
      if (this.#known.registry.getService(service) !== undefined) this.forget();
      await this.#learn({ symbol: service }, service, signal);
      found = this.#known.method(service, method);
    }
    if (found !== undefined) return { method: found, registry: this.#known.registry };
    const where = this.#file === undefined ? "the server" : "descriptorSet";
    const what =
      this.#known.registry.getService(service) === undefined
        ? `${where} has no service ${service}`
        : `${service} has no method ${method}`;
    throw new BindingError("not_found", `grpc: ${what}`);
  }

  /** Whether the method is one that says of itself that doing it twice does no harm, as far as is known. */
  isIdempotent(name: MethodName): boolean {
    const level = this.#known.method(name.service, name.method)?.idempotency;
    return (
      level === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS ||
      level === MethodOptions_IdempotencyLevel.IDEMPOTENT
    );
  }

  /**
   * Runs what needs types by name, those in `google.protobuf.Any`. Where some are missing the server is asked for
   * them, and it is run again.
   */
  async withTypes<Result>(
    run: (registry: Registry) => Result,
    signal: AbortSignal,
  ): Promise<Result> {
    for (let lookup = 0; ; lookup++) {
      const missing = new Set<string>();
      try {
        return run(noting(this.#known.registry, missing));
      } catch (error) {
        if (this.#file !== undefined || missing.size === 0 || lookup === mostLookups) throw error;
        const before = this.#known.registry;
        for (const symbol of missing)
          await this.#learn({ symbol }, symbol, signal).catch(() => undefined);
        if (this.#known.registry === before) throw error;
      }
    }
  }

  /** What was learned of the server may be so no more. */
  forget(): void {
    this.#learned.release();
    this.#learned = new Descriptors();
    this.#generation = this.client.connection.generation;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    this.#learned.release();
  }

  /** Those who ask for the same at one time share the answer. */
  async #learn(question: Question, symbol: string, signal: AbortSignal): Promise<void> {
    let asking = this.#asking.get(symbol);
    if (asking === undefined) {
      const before = this.#last;
      asking = before.then(() => this.#ask(question)).finally(() => this.#asking.delete(symbol));
      this.#asking.set(symbol, asking);
      this.#last = asking.catch(() => undefined);
    }
    await abortable(
      asking,
      signal,
      () =>
        new BindingError("cancelled", "grpc: cancelled before the call was sent", {
          effect: "unsent",
          cause: signal.reason,
        }),
    );
  }

  async #ask(question: Question): Promise<void> {
    const room = this.#memory.open();
    try {
      const learned = this.#learned.copy(room);
      await this.#reflect(AbortSignal.timeout(reflectionTimeout), async (asking) => {
        if (!(await take(asking, question, learned))) return;
        for (let missing = learned.missing(); missing.length > 0;) {
          for (const file of missing) {
            if (await take(asking, { file }, learned)) continue;
            throw new Error(`the server's reflection does not have ${file}, which others import`);
          }
          missing = learned.missing();
        }
      });
      // It is used only when it is whole.
      void learned.registry;
      this.#learned.release();
      this.#learned = learned;
    } catch (error) {
      room.release();
      throw this.#reflectionFailure(error);
    }
  }

  async #proveReflection(signal: AbortSignal): Promise<void> {
    try {
      await this.#reflect(signal, (asking) => asking.ask({ listServices: true }));
    } catch (error) {
      const refuses =
        error instanceof CallFailure && error.kind === "failed" && refusals.has(error.code);
      if (!refuses) throw this.#reflectionFailure(error);
      const why =
        error.code === Code.unimplemented
          ? "the server has no reflection"
          : `the server refuses reflection (${error.status}: ${error.message.slice(0, longestRefusal)})`;
      throw new BindingError(
        "invalid_argument",
        `grpc: ${why}; give the metadata descriptorSet, a file with the descriptors of its services`,
        { systemCode: error.status },
      );
    }
  }

  #reflect<Result>(signal: AbortSignal, use: (asking: Asking) => Promise<Result>): Promise<Result> {
    const options = { headers: this.#headers, signal, timeout: reflectionTimeout };
    return withReflection(this.client, options, use);
  }

  /** The call itself was not sent. */
  #reflectionFailure(error: unknown): BindingError {
    if (!(error instanceof CallFailure)) {
      const text = `grpc: the server's descriptors cannot be used: ${messageOf(error)}`;
      return new BindingError("failed_precondition", text, { cause: error });
    }
    const failure = failureOf(error, "reflection", this.#learned.registry);
    const { reason, message, systemCode, retryAfter } = failure;
    const effect = failure.effect === "rejected" ? "rejected" : "unsent";
    return new BindingError(reason, message, { effect, systemCode, retryAfter, cause: error });
  }
}

const refusals = new Set<number>([Code.unimplemented, Code.permissionDenied, Code.unauthenticated]);

/** False: the server does not have it. */
async function take(
  asking: Asking,
  question: Question,
  descriptors: Descriptors,
): Promise<boolean> {
  const { files, error } = await asking.ask(question);
  if (error !== undefined) {
    if (error.code === Code.notFound) return false;
    throw new CallFailure("failed", error.code, error.message);
  }
  for (const file of files) descriptors.add(file);
  return files.length > 0;
}

/** The registry, which notes the names of messages that it does not have. */
function noting(registry: Registry, missing: Set<string>): Registry {
  return {
    kind: "registry",
    [Symbol.iterator]: () => registry[Symbol.iterator](),
    get: (name) => registry.get(name),
    getEnum: (name) => registry.getEnum(name),
    getExtension: (name) => registry.getExtension(name),
    getExtensionFor: (extendee, number) => registry.getExtensionFor(extendee, number),
    getService: (name) => registry.getService(name),
    getMessage(name) {
      const found = registry.getMessage(name);
      if (found === undefined && isName(name)) missing.add(name);
      return found;
    },
  };
}

function nameOf(named: Named, component: Named): MethodName {
  const written = named.method || component.method || "";
  const slash = written.lastIndexOf("/");
  const service =
    slash >= 0
      ? written.slice(0, slash).replace(/^\//, "")
      : named.service || component.service || "";
  const method = written.slice(slash + 1);
  if (method === "") throw refused("no method is named, neither in the call nor in the component");
  if (!isName(method) || method.includes("."))
    throw refused(`${shown(method)} is no name of a method, such as Get or shop.v1.Orders/Get`);
  if (service === "") throw refused(`no service is named for the method ${method}`);
  if (!isName(service)) throw refused(`${shown(service)} is no name of a service`);
  return { service, method };
}

/** Throws a `BindingError` for what no server would mend, as far as it shows without reading a file. */
export function checkSettings(metadata: GrpcMetadata): void {
  endpointOf(metadata);
  callHeaders({}, metadata.headers);
  const { service, method } = metadata;
  // A component may leave either to its calls.
  if (service || method) nameOf({ service: service || "Any", method: method || "Any" }, {});
}

function isName(name: string): boolean {
  return name.length <= 512 && /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/.test(name);
}

function endpointOf({ address, tls }: GrpcMetadata): Endpoint {
  const endpoint = parseEndpoint(address, tls);
  // The default is this runtime's own port.
  const isPortless = endpoint !== undefined && "port" in endpoint && !/:\d+\/?$/.test(address);
  if (endpoint === undefined || endpoint.prefix !== "" || (isPortless && !endpoint.secure))
    throw refused(`the metadata address is not of the form ${endpointForms}`);
  return endpoint;
}

async function tlsOf(metadata: GrpcMetadata, secure: boolean): Promise<ClientTls | undefined> {
  const { caCert, clientCert, clientKey, skipTLSVerify } = metadata;
  if (!secure) {
    if (caCert || clientCert || clientKey || skipTLSVerify)
      throw refused("the metadata have settings of TLS, yet neither tls nor an https address");
    return undefined;
  }
  if (Boolean(clientCert) !== Boolean(clientKey))
    throw refused("the metadata have one of clientCert and clientKey; give both or neither");
  const material = {
    ca: await authoritiesOf(caCert),
    cert: clientCert ? await pemOrFile("clientCert", clientCert) : undefined,
    key: clientKey ? await pemOrFile("clientKey", clientKey) : undefined,
  };
  try {
    createSecureContext(material);
  } catch {
    // What OpenSSL says may quote what it could not read.
    throw refused("caCert, clientCert or clientKey is no PEM, or the key is not the certificate's");
  }
  return { verify: !skipTLSVerify, ...material };
}

function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}…` : text);
}

function refused(text: string): BindingError {
  return new BindingError("invalid_argument", `grpc: ${text}`);
}
