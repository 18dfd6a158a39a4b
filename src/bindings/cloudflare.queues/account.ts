import { BindingError } from "../../errors.ts";
import { parseAddress } from "../../http-client/address.ts";
import type { Answered } from "../../http-client/exchange.ts";
import { prefixed } from "../../http-client/prefixed.ts";
import { isObject, jsonMembers, serviceFailure } from "../../http-client/service-client.ts";
import type { ServiceClient } from "../../http-client/service-client.ts";
import { within } from "../../http-client/within.ts";

export type AccountOptions = {
  readonly client: ServiceClient;
  readonly id: string;
  readonly token: string;
  /** Of each request, in milliseconds. */
  readonly timeout: number;
};

/** What a worker is bound to, as Cloudflare's API names it. */
export type WorkerBinding =
  | { readonly type: "queue"; readonly name: string; readonly queue_name: string }
  | { readonly type: "plain_text"; readonly name: string; readonly text: string };

type Step = {
  /** Begins the text of a failure, in Dapr's words. */
  readonly prefix: string;
  readonly method: string;
  readonly path: string;
  readonly body?: Uint8Array;
  readonly contentType?: string;
};

export const cloudflareApi = "https://api.cloudflare.com/client/v4";
/** What Dapr's worker is deployed with: a later date changes how the queue encodes messages. */
const compatibilityDate = "2022-12-09";
/** Bindings that other components gave the worker. */
const keptBindings = ["queue", "kv_namespace"];
const noSubdomain =
  "the account has no workers.dev subdomain; open Workers in Cloudflare's dashboard once, which makes it, and check cfAccountID";

/** The workers of an account, by Cloudflare's REST API. Everything rejects with a `BindingError`. */
export class Account {
  readonly #options: AccountOptions;
  #subdomain: string | undefined;

  constructor(options: AccountOptions) {
    this.#options = options;
  }

  /** The address of a worker, with a slash at its end. Asks once for the subdomain. */
  async workerUrl(name: string, signal: AbortSignal): Promise<string> {
    this.#subdomain ??= await this.#readSubdomain(signal);
    return `https://${name}.${this.#subdomain}.workers.dev/`;
  }

  /** Makes the worker or replaces it. Bindings to other queues and to key-value namespaces stay. */
  async upload(
    name: string,
    script: string,
    bindings: readonly WorkerBinding[],
    signal: AbortSignal,
  ): Promise<void> {
    const form = new FormData();
    const metadata = {
      ...{ main_module: "worker.js", compatibility_date: compatibilityDate },
      ...{ usage_model: "bundled", bindings, keep_bindings: keptBindings },
    };
    form.set("metadata", new Blob([JSON.stringify(metadata)], { type: "application/json" }));
    const module = new Blob([script], { type: "application/javascript+module" });
    form.set("worker.js", module, "worker.js");
    const encoded = new Response(form);
    const step = {
      prefix: "error deploying or updating the worker with the Cloudflare APIs: ",
      ...{ method: "PUT", path: `scripts/${name}` },
      contentType: encoded.headers.get("content-type") ?? "",
      body: new Uint8Array(await encoded.arrayBuffer()),
    };
    await this.#ask(step, signal);
  }

  /** Makes the worker answer at its address below workers.dev. */
  async enableRoute(name: string, signal: AbortSignal): Promise<void> {
    const step = {
      prefix: "error enabling the workers.dev route for the worker: ",
      ...{ method: "POST", path: `scripts/${name}/subdomain`, contentType: "application/json" },
      body: Buffer.from('{"enabled":true}'),
    };
    await this.#ask(step, signal);
  }

  async #readSubdomain(signal: AbortSignal): Promise<string> {
    const prefix = "error retrieving the workers subdomain from the Cloudflare APIs: ";
    const { result } = await this.#ask({ prefix, method: "GET", path: "subdomain" }, signal);
    const subdomain = isObject(result) ? result["subdomain"] : undefined;
    // It becomes part of a host that is sent tokens.
    if (typeof subdomain === "string" && /^[a-z0-9-]+$/i.test(subdomain)) return subdomain;
    throw new BindingError("failed_precondition", prefix + noSubdomain);
  }

  async #ask(step: Step, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    const { client, id, token, timeout } = this.#options;
    const address = parseAddress(`${cloudflareApi}/accounts/${id}/workers/${step.path}`);
    const headers = {
      authorization: `Bearer ${token}`,
      ...(step.contentType !== undefined && { "content-type": step.contentType }),
    };
    const wanted = { method: step.method, address, headers, body: step.body, secret: token };
    return prefixed(
      step.prefix,
      within(timeout, "timeoutInSeconds", signal, async (limited) => {
        const answered = await client.ask(wanted, limited);
        const members = jsonMembers(answered.body);
        if (answered.status === 200 && members["success"] !== false) return members;
        throw refusal(answered, members);
      }),
    );
  }
}

function refusal(answered: Answered, members: Readonly<Record<string, unknown>>): BindingError {
  const { status } = answered;
  const { errors } = members;
  const [first] = Array.isArray(errors) ? (errors as readonly unknown[]) : [];
  const { code, message } = isObject(first) ? first : {};
  const said = typeof message === "string" ? ` (${message}, code ${String(code)})` : "";
  const remedy = remedyOf(status, code);
  const text = `invalid response status code: ${status}${said}${remedy === "" ? "" : `; ${remedy}`}`;
  return serviceFailure(text, answered);
}

function remedyOf(status: number, code: unknown): string {
  if (code === 10063 || (status === 404 && code === 10007)) return noSubdomain;
  if (status === 401) return "cfAPIToken is wrong or has expired; make another";
  if (status === 403)
    return "give cfAPIToken the permission 'Workers Scripts: Edit' on the account of cfAccountID";
  if (status === 404) return "check cfAccountID";
  if (status === 429) return "Cloudflare limits the requests of an account; try again later";
  if (status >= 500) return "try again later; cloudflarestatus.com tells of failures";
  return "check cfAPIToken, cfAccountID, workerName, and that the queue exists";
}
