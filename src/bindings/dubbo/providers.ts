import { BindingError } from "../../errors.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import { ProviderConnection } from "./connection.ts";
import type { CallRequest, DubboMetadata } from "./fields.ts";

/** Where a call goes, and what it is of. */
export type Target = {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly method: string;
  readonly version: string;
  readonly group: string;
};

/** Callers may name providers. */
const mostConnections = 64;
const nameForm = /^[A-Za-z_$][\w$]*([./][A-Za-z_$][\w$]*)*$/;
const partForm = /^[\w.*-]{0,255}$/;
const hostForm = /^([A-Za-z0-9_.-]{1,253}|\[?[0-9A-Fa-f:.]{2,45}\]?)$/;

/** A component's connections to providers, made when first used. */
export class Providers implements AsyncDisposable {
  readonly metadata: DubboMetadata;
  readonly #memory: MemoryShare;
  readonly #connections = new Map<string, Promise<ProviderConnection>>();

  constructor(metadata: DubboMetadata, memory: MemoryShare) {
    this.metadata = metadata;
    this.#memory = memory;
  }

  /** What a call names, else the component. Throws a `BindingError`. */
  target(request: CallRequest): Target {
    const { metadata } = this;
    checkOverride(request, metadata);
    const host = request.providerHostname || metadata.providerHostname || "";
    const port = request.providerPort || metadata.providerPort || 0;
    const path = request.interfaceName || metadata.interfaceName || "";
    const method = request.methodName || metadata.methodName || "";
    const version = request.version || metadata.version || "";
    const group = request.group || metadata.group || "";
    if (!host || !port) throw refused("neither the call nor the component names a provider");
    if (!hostForm.test(host)) throw refused("providerHostname is no name of a host");
    if (path.length > 512 || !nameForm.test(path)) throw refused("interfaceName is no interface");
    if (method.length > 255 || !nameForm.test(method)) throw refused("methodName is no method");
    if (!partForm.test(version)) throw refused("version is no version");
    if (!partForm.test(group)) throw refused("group is no group");
    return { host: host.replace(/^\[|\]$/g, ""), port, path, method, version, group };
  }

  /** Rejects with a `BindingError`: nothing was sent. */
  async to(host: string, port: number): Promise<ProviderConnection> {
    const key = `${host} ${port}`;
    const known = this.#connections.get(key);
    if (known !== undefined) {
      const connection = await known.catch(() => undefined);
      if (connection?.isOpen === true) return connection;
      if (this.#connections.get(key) === known) this.#connections.delete(key);
      return this.to(host, port);
    }
    this.#makeRoom();
    const { maxResponseBodySize } = this.metadata;
    const opening = ProviderConnection.open(host, port, maxResponseBodySize, this.#memory);
    this.#connections.set(key, opening);
    try {
      return await opening;
    } catch (error) {
      if (this.#connections.get(key) === opening) this.#connections.delete(key);
      throw error;
    }
  }

  /** The component's own provider, where it names one. */
  async ping(signal: AbortSignal): Promise<void> {
    const { providerHostname, providerPort } = this.metadata;
    if (!providerHostname || !providerPort) return;
    const connection = await this.to(providerHostname.replace(/^\[|\]$/g, ""), providerPort);
    await connection.ping(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = await Promise.allSettled(this.#connections.values());
    this.#connections.clear();
    for (const one of all) if (one.status === "fulfilled") one.value.close();
  }

  #makeRoom(): void {
    if (this.#connections.size < mostConnections) return;
    const [oldest] = this.#connections;
    if (oldest === undefined) return;
    this.#connections.delete(oldest[0]);
    oldest[1].then(
      (connection) => connection.close(),
      () => undefined,
    );
  }
}

/** Throws a `BindingError` for what no provider would mend. */
export function checkSettings({ providerHostname, providerPort }: DubboMetadata): void {
  if (Boolean(providerHostname) !== Boolean(providerPort))
    throw refused(
      "the metadata has one of providerHostname and providerPort; give both or neither",
    );
  if (providerHostname && !hostForm.test(providerHostname))
    throw refused("the metadata providerHostname is no name of a host");
}

function checkOverride(request: CallRequest, metadata: DubboMetadata): void {
  const { providerHostname: host, providerPort: port, allowProviderOverride } = metadata;
  if (!host || allowProviderOverride) return;
  const isOther =
    (request.providerHostname && request.providerHostname !== host) ||
    (request.providerPort && request.providerPort !== port);
  if (isOther)
    throw refused(
      "the call names another provider than the component; allowProviderOverride allows that",
    );
}

function refused(text: string): BindingError {
  return new BindingError("invalid_argument", `dubbo: ${text}`);
}
