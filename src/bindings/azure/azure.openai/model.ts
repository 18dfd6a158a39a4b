import { BindingError } from "../../../errors.ts";
import { joinPath, parseAddress } from "../../../http-client/address.ts";
import type { Answered } from "../../../http-client/exchange.ts";
import { isObject, jsonMembers, serviceFailure } from "../../../http-client/service-client.ts";
import type { ServiceClient } from "../../../http-client/service-client.ts";
import { isSuccess } from "../../../http-client/status.ts";
import type { Entra } from "../../../identity/azure/entra.ts";
import type { ModelRequest } from "./requests.ts";

export type ModelLogin = { readonly apiKey: string } | { readonly entra: Entra };

export type ModelOptions = {
  readonly client: ServiceClient;
  readonly login: ModelLogin;
  readonly endpoint: string;
  readonly maxBody: number;
};

/** The generally available one, which has all three operations. */
const apiVersion = "2024-06-01";
const scope = "https://cognitiveservices.azure.com/.default";

/** The deployments of an Azure OpenAI resource. */
export class Models {
  readonly #options: ModelOptions;

  constructor(options: ModelOptions) {
    this.#options = options;
  }

  /** Asks which models there are. Rejects with a `BindingError`. */
  async examine(signal: AbortSignal): Promise<void> {
    const { client, login, endpoint, maxBody } = this.#options;
    const { secret, proof } = await this.#prove(signal);
    const address = parseAddress(joinPath(endpoint, `openai/models?api-version=${apiVersion}`));
    const headers = { ...proof, accept: "application/json" };
    const answered = await client.ask({ method: "GET", address, headers, maxBody, secret }, signal);
    if (answered.status === 401 && "entra" in login) login.entra.refused(secret);
    if (!isSuccess(answered.status)) throw failure(answered);
  }

  async #prove(signal: AbortSignal): Promise<{
    readonly secret: string;
    readonly proof: Readonly<Record<string, string>>;
  }> {
    const { login } = this.#options;
    if ("apiKey" in login) return { secret: login.apiKey, proof: { "api-key": login.apiKey } };
    const secret = await login.entra.token(scope, signal);
    return { secret, proof: { authorization: `Bearer ${secret}` } };
  }

  /** Resolves to the members of the answer. */
  async ask(
    operation: "completions" | "chat/completions" | "embeddings",
    { deployment, body }: ModelRequest,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, unknown>>> {
    const { client, login, endpoint, maxBody } = this.#options;
    const name = encodeURIComponent(deployment.toWellFormed());
    const path = `openai/deployments/${name}/${operation}?api-version=${apiVersion}`;
    const { secret, proof } = await this.#prove(signal);
    const answered = await client.ask(
      {
        method: "POST",
        address: parseAddress(joinPath(endpoint, path)),
        headers: { ...proof, "content-type": "application/json", accept: "application/json" },
        body: Buffer.from(JSON.stringify(body)),
        ...{ maxBody, secret },
      },
      signal,
    );
    if (answered.status === 401 && "entra" in login) login.entra.refused(secret);
    if (isSuccess(answered.status)) return jsonMembers(answered.body);
    throw failure(answered);
  }
}

/** The list of that name; empty where there is none. */
export function listIn(
  members: Readonly<Record<string, unknown>>,
  name: string,
): readonly unknown[] {
  const list = members[name] ?? [];
  if (Array.isArray(list)) return list;
  throw new BindingError("internal", `the answer's ${name} is no list`, { effect: "ambiguous" });
}

function failure(answered: Answered): BindingError {
  const { error, code: bare, message: said } = jsonMembers(answered.body);
  const { code = bare, message = said } = isObject(error) ? error : {};
  const words = typeof message === "string" ? message : "";
  const name = typeof code === "string" && code !== "" ? code : String(answered.status);
  return serviceFailure([name, words].filter(Boolean).join(": "), answered, {
    systemCode: name,
    // Its status is 401, and the words name the data action that the identity lacks.
    ...(name === "PermissionDenied" && { reason: "permission_denied" as const }),
  });
}
