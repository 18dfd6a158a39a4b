import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { BindingError, messageOf } from "../errors.ts";
import { boundedText, largestTokenAnswer } from "../memory/bounded-text.ts";
import type { Token, TokenSource } from "./token.ts";

/** A client of an OAuth server that asks for tokens in its own name. */
export type OAuthClient = {
  readonly endpoint: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  /** Gives the fields that prove who it is: `client_secret`, or a signed assertion. */
  readonly prove: () => Promise<Readonly<Record<string, string>>>;
  /** Further fields of the request. */
  readonly fields?: Readonly<Record<string, string>>;
  /** PEM certificates of the authorities to trust in place of the system's. */
  readonly authorities?: string | undefined;
  /** What the messages of errors begin with. */
  readonly prefix?: string;
  /** Told what must not be shown: what proves the client, and the token. */
  readonly hide: ((secret: string) => void) | undefined;
};

/** The longest `error` of an answer that is quoted; those of RFC 6749 have some 20 characters. */
const longestError = 200;

/**
 * Asks for tokens with the client's credentials (RFC 6749, 4.4). No redirect is followed, since it would show them to
 * another server. Rejects with a `BindingError` `unauthenticated`, `unsent`, that names the server.
 */
export function clientCredentials(client: OAuthClient): TokenSource {
  const { endpoint, clientId, scopes, prove, fields, authorities, prefix = "", hide } = client;
  const url = URL.parse(endpoint);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new BindingError(
      "invalid_argument",
      `${prefix}the token endpoint is no http or https URL`,
      {
        effect: "unsent",
      },
    );
  }
  const refused = (why: string): BindingError =>
    new BindingError("unauthenticated", `${prefix}no token from ${url.host}: ${why}`, {
      effect: "unsent",
    });
  return async (signal) => {
    const proof = await prove();
    for (const [name, value] of Object.entries(proof)) {
      if (name !== "client_assertion_type") hide?.(value);
    }
    const form = new URLSearchParams({
      grant_type: "client_credentials",
      client_id: clientId,
      ...(scopes.length === 0 ? {} : { scope: scopes.join(" ") }),
      ...proof,
      ...fields,
    });
    const answer = await post(url, form.toString(), authorities, signal).catch((error: unknown) => {
      throw refused(messageOf(error));
    });
    const read = readAnswer(answer);
    if (typeof read === "string") throw refused(read);
    hide?.(read.token);
    return read;
  };
}

type HttpAnswer = { readonly status: number; readonly body: string };

/** The token, or why there is none. */
function readAnswer({ status, body }: HttpAnswer): Token | string {
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    return `HTTP ${status} without JSON`;
  }
  const fields = typeof answer === "object" && answer !== null ? answer : {};
  if (status !== 200 || !("access_token" in fields) || typeof fields.access_token !== "string") {
    const error = "error" in fields ? String(fields.error) : "";
    return `HTTP ${status}${error === "" || error.length > longestError ? "" : `: ${error}`}${entraCodes(fields)}`;
  }
  const lifetime = "expires_in" in fields ? Number(fields.expires_in) * 1000 : Number.NaN;
  return {
    token: fields.access_token,
    receivedAt: Date.now(),
    lifetime: Number.isFinite(lifetime) && lifetime > 0 ? lifetime : undefined,
  };
}

/** Microsoft Entra ID has a number for each cause: `AADSTS7000215` is a wrong secret. */
function entraCodes(fields: object): string {
  const codes =
    "error_codes" in fields && Array.isArray(fields.error_codes) ? fields.error_codes : [];
  const [code] = codes as unknown[];
  return typeof code === "number" ? ` (AADSTS${code})` : "";
}

function post(
  endpoint: URL,
  form: string,
  authorities: string | undefined,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const options = {
      method: "POST",
      signal,
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        "content-length": Buffer.byteLength(form),
        accept: "application/json",
      },
    };
    const request =
      endpoint.protocol === "https:"
        ? httpsRequest(endpoint, { ...options, ...(authorities ? { ca: authorities } : {}) })
        : httpRequest(endpoint, options);
    request.on("error", reject);
    request.on("response", (response) => {
      boundedText(response, largestTokenAnswer).then(
        (body) => resolve({ status: response.statusCode ?? 0, body }),
        reject,
      );
    });
    request.end(form);
  });
}
