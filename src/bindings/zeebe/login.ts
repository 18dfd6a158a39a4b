import { abortable } from "../../abortable.ts";
import { BindingError } from "../../errors.ts";
import type { ServiceLogin } from "../../grpc-service/service.ts";
import type { Values } from "../../metadata/fields.ts";
import { clientCredentials } from "../../oauth/client-credentials.ts";
import { renewalOf, type Token, type TokenSource } from "../../oauth/token.ts";
import type { gatewayFields } from "./fields.ts";
import { TokenFile } from "./token-file.ts";

type Metadata = Values<typeof gatewayFields>;
type Kept = { readonly token: string; readonly until: number };

const requestTimeout = 10_000;
/** A token that does not say when it ends is asked for anew after so long, in milliseconds. */
const assumedLife = 60_000;
const names = ["clientId", "clientSecret", "authorizationServerUrl", "tokenAudience"] as const;

/** Throws a `BindingError` where a part of the fields of a log-in is missing. True: there is one. */
export function hasLogin(metadata: Metadata): boolean {
  const given = [...names, "tokenScope" as const, "clientConfigPath" as const];
  if (given.every((name) => metadata[name] === undefined)) return false;
  const missing = names.filter((name) => !metadata[name]);
  if (missing.length === 0) return true;
  throw new BindingError(
    "invalid_argument",
    `invalid OAuth metadata: when OAuth is configured, clientId, clientSecret, authorizationServerUrl, and tokenAudience must all be provided; missing: ${missing.join(", ")}`,
  );
}

/** Shows tokens of an OAuth server, which those who ask at one time share. */
export class ZeebeLogin implements ServiceLogin {
  readonly #source: TokenSource;
  readonly #file: TokenFile | undefined;
  readonly #hide: ((secret: string) => void) | undefined;
  #kept: Kept | undefined;
  #asking: Promise<Kept> | undefined;
  #hasLooked = false;

  constructor(metadata: Metadata, hide: ((secret: string) => void) | undefined) {
    const { clientId = "", clientSecret = "", authorizationServerUrl: endpoint = "" } = metadata;
    const { tokenAudience: audience = "", tokenScope, clientConfigPath } = metadata;
    this.#hide = hide;
    this.#file = clientConfigPath ? new TokenFile(clientConfigPath, audience) : undefined;
    this.#source = clientCredentials({
      ...{ endpoint, clientId, hide, fields: { audience } },
      scopes: tokenScope ? [tokenScope] : [],
      prove: async () => ({ client_secret: clientSecret }),
    });
  }

  async headers(signal?: AbortSignal): Promise<Readonly<Record<string, string>>> {
    let kept = this.#kept;
    if (kept === undefined || Date.now() >= kept.until) {
      this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
      kept = await (signal === undefined ? this.#asking : orUnsent(this.#asking, signal));
    }
    return { authorization: `Bearer ${kept.token}` };
  }

  refused(headers: Readonly<Record<string, string>>): boolean {
    if (headers["authorization"] === `Bearer ${this.#kept?.token}`) this.#kept = undefined;
    return true;
  }

  async #ask(): Promise<Kept> {
    if (!this.#hasLooked) {
      this.#hasLooked = true;
      const stored = await this.#file?.read();
      if (stored !== undefined && Date.now() < stored.until) {
        this.#hide?.(stored.token);
        return (this.#kept = stored);
      }
    }
    const token: Token = await this.#source(AbortSignal.timeout(requestTimeout));
    const until = renewalOf(token, assumedLife);
    await this.#file?.write(token.token, token.receivedAt + (token.lifetime ?? assumedLife));
    return (this.#kept = { token: token.token, until });
  }
}

function orUnsent<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return abortable(work, signal, () => {
    const text = "cancelled before the call was sent";
    return new BindingError("cancelled", text, { effect: "unsent", cause: signal.reason });
  });
}
