import { BindingError, messageOf } from "../errors.ts";
import { Dispatchers } from "../http-client/dispatchers.ts";
import { boundedText, largestTokenAnswer } from "../memory/bounded-text.ts";
import type { Token, TokenSource } from "./token.ts";

/** A client of an OAuth server that asks for tokens in its own name. */
export type OAuthClient = {
  readonly endpoint: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  /** Gives the fields that prove who it is: `client_secret`, or a signed assertion. */
  readonly prove: () => Promise<Readonly<Record<string, string>>>;
  /** Its password, sent by HTTP's own way (Basic), where the server takes no other. */
  readonly password?: string | undefined;
  /** How a request reaches the server. Absent: by a connection of its own. */
  readonly post?: PostForm | undefined;
  /** Further fields of the request. */
  readonly fields?: Readonly<Record<string, string>>;
  /** PEM certificates of the authorities to trust in place of the system's. */
  readonly authorities?: string | undefined;
  /** What the messages of errors begin with. */
  readonly prefix?: string;
  /** Told what must not be shown: what proves the client, and the token. */
  readonly hide: ((secret: string) => void) | undefined;
};

/** Posts a form, follows no redirect, and resolves to the answer, whatever its status. */
type PostForm = (
  form: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<HttpAnswer>;

type HttpAnswer = { readonly status: number; readonly body: string };

/** The longest `error` of an answer that is quoted; those of RFC 6749 have some 20 characters. */
const longestError = 200;

/**
 * Asks for tokens with the client's credentials (RFC 6749, 4.4). No redirect is followed, since it would show them to
 * another server. Rejects with a `BindingError` `unauthenticated`, `unsent`, that names the server.
 */
export function clientCredentials(client: OAuthClient): TokenSource {
  const { endpoint, clientId, scopes, prove, fields, authorities, prefix = "", hide } = client;
  const { password } = client;
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
  const post = client.post ?? directly(url, authorities);
  const basic = password === undefined ? undefined : basicProof(clientId, password);
  const headers = {
    "content-type": "application/x-www-form-urlencoded",
    accept: "application/json",
    ...(basic === undefined ? {} : { authorization: `Basic ${basic}` }),
  };
  return async (signal) => {
    if (basic !== undefined) hide?.(basic);
    const proof = await prove();
    for (const [name, value] of Object.entries(proof)) {
      if (name !== "client_assertion_type") hide?.(value);
    }
    const form = new URLSearchParams({
      grant_type: "client_credentials",
      ...(basic === undefined ? { client_id: clientId } : {}),
      ...(scopes.length === 0 ? {} : { scope: scopes.join(" ") }),
      ...proof,
      ...fields,
    });
    const answer = await post(form.toString(), headers, signal).catch((error: unknown) => {
      throw refused(messageOf(error));
    });
    const read = readAnswer(answer);
    if (typeof read === "string") throw refused(read);
    hide?.(read.token);
    return read;
  };
}

/** A name and a password as RFC 6749, 2.3.1, has them: each encoded as in a form. */
function basicProof(clientId: string, password: string): string {
  const encoded = [clientId, password].map((text) =>
    new URLSearchParams({ "": text }).toString().slice(1),
  );
  return Buffer.from(encoded.join(":")).toString("base64");
}

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

/** By a connection of its own: tokens are rare. */
function directly(endpoint: URL, authorities: string | undefined): PostForm {
  return async (form, headers, signal) => {
    const undici = await import("undici");
    const tls = authorities ? { ca: authorities } : {};
    const dispatchers = new Dispatchers(undici, { tls, connections: 1 });
    try {
      const options = { method: "POST", headers, body: form, signal } as const;
      const dispatcher = dispatchers.of(endpoint.origin);
      const { statusCode, body } = await undici.request(endpoint, { ...options, dispatcher });
      return { status: statusCode, body: await boundedText(body, largestTokenAnswer) };
    } finally {
      await dispatchers.destroy();
    }
  };
}
