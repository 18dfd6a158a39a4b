import { BindingError } from "../../../errors.ts";
import { joinPath, parseAddress } from "../../../http-client/address.ts";
import type { Answered } from "../../../http-client/exchange.ts";
import { jsonMembers, serviceFailure } from "../../../http-client/service-client.ts";
import type { Meaning, ServiceClient } from "../../../http-client/service-client.ts";
import { isSuccess } from "../../../http-client/status.ts";
import type { Entra } from "../../../identity/azure/entra.ts";
import { authorizationOf, masterSignature } from "./authorization.ts";

export type CosmosLogin = { readonly masterKey: Buffer } | { readonly entra: Entra };

export type ContainerOptions = {
  readonly client: ServiceClient;
  readonly login: CosmosLogin;
  readonly url: string;
  readonly database: string;
  readonly collection: string;
};

/** The version of the REST API: as of 2018, which every account and the emulators speak. */
const apiVersion = "2018-12-31";

/** Said before anything is done: the request's rate was too large, or another write was under way. */
const unsent: Readonly<Record<number, Meaning>> = {
  429: { reason: "resource_exhausted", effect: "unsent" },
  449: { reason: "aborted", effect: "unsent" },
};

/** A container of Cosmos DB, by its REST API. */
export class Container {
  readonly #options: ContainerOptions;
  readonly #link: string;
  readonly #url: string;
  readonly #scope: string;

  constructor(options: ContainerOptions) {
    this.#options = options;
    const { url, database, collection } = options;
    const { hostname, origin } = parseAddress(url);
    this.#link = `dbs/${database}/colls/${collection}`;
    const path = `dbs/${segment(database)}/colls/${segment(collection)}`;
    this.#url = joinPath(url, path);
    this.#scope = `${origin.split("//")[0]}//${hostname}/.default`;
  }

  /** Reads what the container is; false: that is not allowed. */
  async exists(signal: AbortSignal): Promise<boolean> {
    const answered = await this.#ask("GET", "colls", signal);
    if (answered.status === 403) return false;
    if (isSuccess(answered.status)) return true;
    throw failure(answered);
  }

  async create(document: Uint8Array, partition: string, signal: AbortSignal): Promise<void> {
    const headers = {
      "content-type": "application/json",
      prefer: "return=minimal",
      "x-ms-documentdb-partitionkey": partition,
    };
    const answered = await this.#ask("POST", "docs", signal, headers, document);
    if (!isSuccess(answered.status)) throw failure(answered);
  }

  async #ask(
    method: string,
    resourceType: "colls" | "docs",
    signal: AbortSignal,
    more: Readonly<Record<string, string>> = {},
    body?: Uint8Array,
  ): Promise<Answered> {
    const { client, login } = this.#options;
    const date = new Date().toUTCString();
    const isMaster = "masterKey" in login;
    const secret = isMaster
      ? masterSignature(login.masterKey, {
          ...{ verb: method, resourceType, resourceLink: this.#link, date },
        })
      : await login.entra.token(this.#scope, signal);
    const headers = {
      authorization: authorizationOf(isMaster ? "master" : "aad", secret),
      "x-ms-date": date,
      "x-ms-version": apiVersion,
      accept: "application/json",
      ...more,
    };
    const address = parseAddress(resourceType === "docs" ? `${this.#url}/docs` : this.#url);
    const answered = await client.ask({ method, address, headers, body, secret }, signal);
    if (answered.status === 401 && !isMaster) login.entra.refused(secret);
    return answered;
  }
}

function failure(answered: Answered): BindingError {
  const { code, message } = jsonMembers(answered.body);
  const name = typeof code === "string" && code !== "" ? code : `HTTP ${answered.status}`;
  // Then come the ids of the request, each on a line of its own.
  const words = typeof message === "string" ? message.split("\n", 1)[0]?.trim() : "";
  const after = Number(answered.headers["x-ms-retry-after-ms"]);
  const conflict: Meaning = answered.status === 409 ? { reason: "already_exists" } : {};
  return serviceFailure(`Cosmos DB: ${[name, words].filter(Boolean).join(": ")}`, answered, {
    ...conflict,
    ...unsent[answered.status],
    systemCode: typeof code === "string" && code !== "" ? code : String(answered.status),
    ...(Number.isFinite(after) ? { retryAfter: after } : {}),
  });
}

/** A name as one part of a path. Throws a `BindingError` for what Cosmos DB takes as no name. */
function segment(name: string): string {
  // oxlint-disable-next-line no-control-regex -- the very characters that are refused
  if (/[/\\?#\x00-\x1f]/.test(name) || name === "." || name === "..")
    throw new BindingError(
      "invalid_argument",
      "database and collection may have no control characters and none of / \\ ? #",
    );
  return encodeURIComponent(name.toWellFormed());
}
