import { createHash, createHmac } from "node:crypto";
import { BindingError } from "../../../errors.ts";
import { parseAddress, type Address } from "../../../http-client/address.ts";
import type { Answered } from "../../../http-client/exchange.ts";
import { ServiceClient, serviceFailure } from "../../../http-client/service-client.ts";
import type { Meaning, ServiceOptions } from "../../../http-client/service-client.ts";
import { isSuccess } from "../../../http-client/status.ts";
import { decodeError, type ServiceError } from "./messages.ts";

export type Login = {
  readonly endpoint: string;
  readonly instance: string;
  readonly accessKeyId: string;
  readonly secret: string;
};

export type Action =
  | "PutRow"
  | "GetRow"
  | "BatchGetRow"
  | "DeleteRow"
  | "DescribeTable"
  | "ListTable";

/** Said before anything is done: the vendor's own SDKs repeat any action then. */
const busy: Meaning = { reason: "unavailable", effect: "unsent" };
const exhausted: Meaning = { reason: "resource_exhausted", effect: "unsent" };

const meanings: Readonly<Record<string, Meaning>> = {
  OTSTableNotReady: busy,
  OTSPartitionUnavailable: busy,
  OTSServerBusy: busy,
  OTSStorageServerBusy: busy,
  OTSRowOperationConflict: { reason: "aborted", effect: "unsent" },
  OTSNotEnoughCapacityUnit: exhausted,
  OTSQuotaExhausted: exhausted,
  OTSTimeout: { reason: "deadline_exceeded", effect: "ambiguous" },
  OTSServerUnavailable: { reason: "unavailable", effect: "ambiguous" },
  OTSInternalServerError: { reason: "internal", effect: "ambiguous" },
  OTSConditionCheckFail: { reason: "failed_precondition" },
  OTSObjectNotExist: { reason: "not_found" },
};

/** An instance of Tablestore, asked by signed requests. */
export class TableService implements AsyncDisposable {
  readonly #client: ServiceClient;
  readonly #origin: string;
  readonly #login: Login;

  private constructor(client: ServiceClient, origin: string, login: Login) {
    this.#client = client;
    this.#origin = origin;
    this.#login = login;
  }

  /** Asks nothing. Throws a `BindingError` for a login that cannot be one. */
  static async open(login: Login, options: Omit<ServiceOptions, "url">): Promise<TableService> {
    const { origin } = checkEndpoint(login.endpoint);
    for (const [field, value] of [
      ["instanceName", login.instance],
      ["accessKeyID", login.accessKeyId],
    ] as const) {
      if (/^[\x21-\x7e]+$/.test(value)) continue;
      const why = `${field} must be printable characters of ASCII without spaces`;
      throw new BindingError("invalid_argument", why);
    }
    return new TableService(await ServiceClient.open({ url: origin, ...options }), origin, login);
  }

  /** Resolves to the body of the answer. Rejects with a `BindingError` of the service's own code and text. */
  async ask(action: Action, body: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const { instance, accessKeyId, secret } = this.#login;
    const headers = {
      "x-ots-accesskeyid": accessKeyId,
      "x-ots-apiversion": "2015-12-31",
      "x-ots-contentmd5": createHash("md5").update(body).digest("base64"),
      "x-ots-date": new Date().toISOString(),
      "x-ots-instancename": instance,
    };
    const signature = signatureOf(`/${action}`, headers, secret);
    const answered = await this.#client.ask(
      {
        ...{ method: "POST", address: parseAddress(`${this.#origin}/${action}`), body },
        headers: { ...headers, "x-ots-signature": signature },
        secret: signature,
      },
      signal,
    );
    if (!isSuccess(answered.status)) throw refusal(answered);
    return answered.body;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }
}

/** Throws a `BindingError` for what is no origin. */
export function checkEndpoint(endpoint: string): Address {
  const address = parseAddress(endpoint);
  if (address.path === "/" && address.authorization === undefined) return address;
  throw new BindingError("invalid_argument", "endpoint must be SCHEME://HOST:PORT alone");
}

/** Of the headers that begin with `x-ots-`, by their names in lower case. */
function signatureOf(
  path: string,
  headers: Readonly<Record<string, string>>,
  secret: string,
): string {
  const lines = Object.entries(headers)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value.trim()}\n`);
  const text = `${path}\nPOST\n\n${lines.join("")}`;
  return createHmac("sha1", secret).update(text).digest("base64");
}

/** What the service says of one row of several. */
export function rowFailure(error: ServiceError): BindingError {
  return failureOf(error, { status: 400, headers: {} }, "");
}

function refusal(answered: Answered): BindingError {
  const requestId = answered.headers["x-ots-requestid"];
  const id = typeof requestId === "string" ? requestId : "";
  return failureOf(errorOf(answered), answered, id);
}

function errorOf({ status, body }: Answered): ServiceError {
  try {
    const error = decodeError(body);
    if (/^\w+$/.test(error.code)) return error;
  } catch {
    // A proxy answers in its own words.
  }
  const code = status >= 500 ? "OTSServerUnavailable" : "OTSClientUnknownError";
  return { code, message: Buffer.from(body).toString("utf8") };
}

function failureOf(
  { code, message }: ServiceError,
  answered: Pick<Answered, "status" | "headers">,
  requestId: string,
): BindingError {
  const text = [code, message, requestId].filter((part) => part !== "").join(" ");
  return serviceFailure(text, answered, { systemCode: code || undefined, ...meanings[code] });
}
