import { abortable } from "../../abortable.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { Token } from "../../oauth/token.ts";
import { KeptTokens } from "./kept-tokens.ts";
import { linksOf } from "./links.ts";
import type { Link, LinkOptions } from "./links.ts";
import { authMethodsOf } from "./settings.ts";
import type { EntraSettings } from "./settings.ts";

export type EntraOptions = Omit<LinkOptions, "environment"> & {
  readonly environment?: NodeJS.ProcessEnv;
};

export { entraDrivers } from "./links.ts";

/** Microsoft Entra ID, as a component logs in to it. */
export type Entra = {
  /**
   * A token for a scope such as `https://storage.azure.com/.default`: the kept one, renewed before it ends. Rejects with
   * a `BindingError` `unauthenticated`, `unsent`, that names each way that was tried and why it failed.
   */
  readonly token: (scope: string, signal?: AbortSignal) => Promise<string>;
  /**
   * The same with half of its life left at least, where such a one can be had: for a log-in of a connection whose server ends
   * it with the token.
   */
  readonly lastingToken: (scope: string) => Promise<string>;
  /**
   * A new token, for who has to know when it ends: a connection that logs in with it and lasts longer. Rejects as
   * `token` does.
   */
  readonly fresh: (scope: string, signal: AbortSignal) => Promise<Token>;
  /** A service has refused the token: the next call asks for another. */
  readonly refused: (token: string) => void;
};

/** Throws a `BindingError` for settings that are wrong; asks for nothing. */
export function openEntra(options: EntraOptions): Entra {
  const links = linksOf({ environment: process.env, ...options });
  const chain = new Chain(links);
  const kept = new KeptTokens((scope, signal) => chain.ask(scope, signal));
  return {
    token: (scope, signal) => {
      const asked = kept.get(scope);
      return signal === undefined || typeof asked === "string"
        ? Promise.resolve(asked)
        : abortable(asked, signal);
    },
    lastingToken: async (scope) => kept.get(scope, true),
    fresh: (scope, signal) => chain.ask(scope, signal),
    refused: (token) => kept.drop(token),
  };
}

/** Whether a component needs `@azure/identity`: it names no secret and no certificate, and may need more than Entra's own endpoint. */
export function needsEntraDriver(settings: EntraSettings): boolean {
  let methods: ReturnType<typeof authMethodsOf>;
  try {
    methods = authMethodsOf(settings);
  } catch {
    return false;
  }
  const { azureTenantId, azureClientId, azureClientSecret } = settings;
  const isClient = Boolean(azureTenantId && azureClientId);
  for (const method of methods) {
    if (method === "secret" && isClient && azureClientSecret) return false;
    const certificate = settings.azureCertificate || settings.azureCertificateFile;
    if (method === "certificate" && isClient && certificate) return false;
    if (method === "workload" && process.env["AZURE_FEDERATED_TOKEN_FILE"]) return false;
    if (method === "managed" || method === "cli") return true;
  }
  return false;
}

/** The ways to log in. The first that gave a token is the only one from then on. */
class Chain {
  readonly links: readonly Link[];
  #chosen: Link | undefined;

  constructor(links: readonly Link[]) {
    this.links = links;
  }

  async ask(scope: string, signal: AbortSignal): Promise<Token> {
    const tried: string[] = [];
    const { links } = this;
    for (const link of this.#chosen === undefined ? links : [this.#chosen]) {
      if (link.missing !== undefined) {
        tried.push(`${link.name}: ${link.missing}`);
        continue;
      }
      try {
        const token = await link.ask(scope, signal);
        this.#chosen = link;
        return token;
      } catch (error) {
        tried.push(`${link.name}: ${messageOf(error)}`);
        // What was given and is refused is a mistake to be mended, not a reason to log in as somebody else.
        if (!link.mayBeAbsent) break;
      }
    }
    const text = `no token of Microsoft Entra ID for ${scope}; tried ${tried.join("; ")}`;
    throw new BindingError("unauthenticated", text, { effect: "unsent" });
  }
}
