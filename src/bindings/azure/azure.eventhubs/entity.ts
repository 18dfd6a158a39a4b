import type { BindingError } from "../../../errors.ts";
import { parseAddress } from "../../../http-client/address.ts";
import { jsonMembers, serviceFailure, ServiceClient } from "../../../http-client/service-client.ts";
import { isSuccess } from "../../../http-client/status.ts";
import { openEntra } from "../../../identity/azure/entra.ts";
import { cloudOf } from "../../../identity/azure/settings.ts";
import type { MemoryShare } from "../../../memory/budget.ts";
import type { HubMetadata } from "./fields.ts";

const version = "2021-11-01";

type Tools = {
  readonly memory: MemoryShare;
  readonly driver: (name: string) => unknown;
  readonly hide?: ((secret: string) => void) | undefined;
};

/** What became of what was to be there. Who may not ask is denied, which is fine: it may be there. */
export type Ensured = "made" | "there" | "denied";

/** Makes the hub and its consumer group where they are not there, by Azure Resource Manager. */
export class EntityManagement implements AsyncDisposable {
  readonly #client: ServiceClient;
  readonly #metadata: HubMetadata;
  readonly #url: string;
  readonly #hub: string;
  readonly #token: (signal: AbortSignal) => Promise<string>;

  private constructor(
    client: ServiceClient,
    metadata: HubMetadata,
    url: string,
    hub: string,
    token: (signal: AbortSignal) => Promise<string>,
  ) {
    this.#client = client;
    this.#metadata = metadata;
    this.#url = url;
    this.#hub = hub;
    this.#token = token;
  }

  /** Asks for nothing. Throws a `BindingError`. */
  static async open(metadata: HubMetadata, hub: string, tools: Tools): Promise<EntityManagement> {
    const { driver, hide, memory } = tools;
    const cloud = cloudOf(metadata);
    const url = (metadata.managementUrl || cloud.managementEndpoint).replace(/\/+$/, "");
    const client = await ServiceClient.open({ url, memory, hide, caCert: metadata.caCert });
    const entra = openEntra({ settings: metadata, driver, hide });
    const token = (signal: AbortSignal): Promise<string> =>
      entra.token(`${cloud.managementEndpoint}/.default`, signal);
    return new EntityManagement(client, metadata, url, hub, token);
  }

  ensureHub(signal: AbortSignal): Promise<Ensured> {
    const { partitionCount, messageRetentionInDays } = this.#metadata;
    return this.#ensure(
      `event hub ${this.#hub}`,
      [],
      { properties: { messageRetentionInDays, partitionCount } },
      signal,
    );
  }

  ensureGroup(group: string, signal: AbortSignal): Promise<Ensured> {
    return this.#ensure(`consumer group ${group}`, ["consumergroups", group], {}, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  async #ensure(
    what: string,
    below: readonly string[],
    description: object,
    signal: AbortSignal,
  ): Promise<Ensured> {
    const found = await this.#ask("GET", below, undefined, signal);
    if (isSuccess(found.status)) return "there";
    if (isDenied(found.status)) return "denied";
    if (found.status !== 404) throw failure(`failed to retrieve ${what}`, found);
    const made = await this.#ask("PUT", below, description, signal);
    if (isSuccess(made.status)) return "made";
    if (isDenied(made.status)) return "denied";
    throw failure(`failed to create ${what}`, made);
  }

  async #ask(
    method: string,
    below: readonly string[],
    description: object | undefined,
    signal: AbortSignal,
  ): Promise<Awaited<ReturnType<ServiceClient["ask"]>>> {
    const { subscriptionID, resourceGroupName, eventHubNamespace = "" } = this.#metadata;
    const [namespace = ""] = eventHubNamespace.split(/[.:]/);
    const path = [
      ...["subscriptions", subscriptionID ?? "", "resourceGroups", resourceGroupName ?? ""],
      ...["providers", "Microsoft.EventHub", "namespaces", namespace],
      ...["eventhubs", this.#hub, ...below],
    ];
    const encoded = path.map(encodeURIComponent).join("/");
    const token = await this.#token(signal);
    return this.#client.ask(
      {
        method,
        address: parseAddress(`${this.#url}/${encoded}?api-version=${version}`),
        headers: {
          authorization: `Bearer ${token}`,
          ...(description === undefined ? {} : { "content-type": "application/json" }),
        },
        body: description === undefined ? undefined : Buffer.from(JSON.stringify(description)),
        secret: token,
      },
      signal,
    );
  }
}

function isDenied(status: number): boolean {
  return status === 401 || status === 403;
}

/** Nothing was sent to the hub. */
function failure(what: string, answered: Awaited<ReturnType<ServiceClient["ask"]>>): BindingError {
  const { error } = jsonMembers(answered.body);
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  const said = [code, message].filter((one) => typeof one === "string").join(": ");
  return serviceFailure(`${what}: ${said || `HTTP ${answered.status}`}`, answered, {
    effect: "unsent",
    ...(typeof code === "string" ? { systemCode: code } : {}),
  });
}
