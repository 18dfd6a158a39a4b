import { BindingError } from "../../../errors.ts";
import type { Questions } from "../../../examination.ts";
import { describeAddress, parseAddress } from "../../../http-client/address.ts";
import { examineOrigin } from "../../../http-client/examine.ts";
import {
  jsonMembers,
  ServiceClient,
  serviceFailure,
  type Meaning,
  type ServiceOptions,
} from "../../../http-client/service-client.ts";
import { signatureOf } from "./signature.ts";

type RobotOptions = ServiceOptions & { readonly secret: string | undefined };

const words = "dingtalk webhook error";
const json = "application/json";
/** Milliseconds that DingTalk takes no message of a robot for that sent more than twenty within a minute. */
const throttled = 600_000;

/** What DingTalk's own codes mean, which come with status 200. Others are refusals of the message. */
const meanings: Readonly<Record<string, Meaning>> = {
  "-1": { reason: "unavailable", effect: "ambiguous" },
  "300001": { reason: "unauthenticated" },
  "310000": { reason: "permission_denied" },
  "400101": { reason: "unauthenticated" },
  "400102": { reason: "failed_precondition" },
  "400106": { reason: "not_found" },
  "130101": { reason: "resource_exhausted", effect: "unsent", retryAfter: throttled },
  "410100": { reason: "resource_exhausted", effect: "unsent", retryAfter: throttled },
};

/** A robot of a DingTalk group, which posts messages by its webhook. */
export class Robot implements AsyncDisposable {
  readonly #service: ServiceClient;
  readonly #options: RobotOptions;

  private constructor(service: ServiceClient, options: RobotOptions) {
    this.#service = service;
    this.#options = options;
  }

  /** Connects to nothing. Throws a `BindingError` for a URL that is none. */
  static async open(options: RobotOptions): Promise<Robot> {
    const { url, hide } = options;
    const token = new URLSearchParams(/\?([^#]*)/.exec(url)?.[1]).get("access_token");
    if (token) hide?.(token);
    return new Robot(await ServiceClient.open(options), options);
  }

  /** Resolves once DingTalk has taken the message. */
  async send(message: Uint8Array, signal: AbortSignal): Promise<void> {
    const { url, sign } = this.#signed();
    const address = parseAddress(url);
    const headers = { accept: json, "content-type": json };
    const answered = await this.#service.ask(
      { method: "POST", address, headers, body: message, secret: sign },
      signal,
    );
    if (answered.status !== 200)
      throw serviceFailure(`${words}: post failed. status:${answered.status}`, answered);
    const { errcode, errmsg } = jsonMembers(answered.body);
    if (errcode === 0) return;
    this.#options.hide?.(sign);
    if (typeof errcode !== "number")
      throw new BindingError(
        "internal",
        `${words}: ${describeAddress(address)} answered no result of DingTalk's`,
        { effect: "ambiguous" },
      );
    const said = typeof errmsg === "string" ? errmsg : "";
    throw serviceFailure(`${words}: send msg failed. ${said}`, answered, {
      ...{ reason: "invalid_argument", effect: "rejected", systemCode: String(errcode) },
      ...meanings[String(errcode)],
    });
  }

  /** Whether DingTalk is there. */
  async examine(questions: Questions): Promise<void> {
    await examineOrigin(this.#service, this.#options.url, questions);
  }

  /** The URL of one message: DingTalk takes a signature for an hour. */
  #signed(): { url: string; sign: string } {
    const { url, secret } = this.#options;
    if (!secret) return { url, sign: "" };
    const timestamp = String(Date.now());
    const sign = signatureOf(timestamp, secret).toString("base64");
    const query = new URLSearchParams({ timestamp, sign }).toString();
    return { url: `${url}${url.includes("?") ? "&" : "?"}${query}`, sign };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service[Symbol.asyncDispose]();
  }
}
