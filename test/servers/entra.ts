import { createHash, randomBytes, randomUUID, X509Certificate } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, importX509, jwtVerify, SignJWT } from "jose";
import type { CryptoKey, JWK, JWTPayload } from "jose";

/** Takes its time. */
const makePair = () => generateKeyPair("RS256", { extractable: true });
let firstPair: ReturnType<typeof makePair> | undefined;

/** An application that is registered at the tenant. */
export type EntraApplication = {
  readonly clientId: string;
  readonly secret?: string;
  /** Its certificate, in PEM. */
  readonly certificate?: string;
  /** The token of a Kubernetes service account that it trusts. */
  readonly federated?: string;
  /** The id of its service principal: the claim `oid` of its tokens. `null`: they have none. */
  readonly objectId?: string | null;
};

/**
 * A stand-in for the token endpoint of Microsoft Entra ID (`/TENANT/oauth2/v2.0/token`), written from Microsoft's
 * reference of the client credentials flow: the form, the proofs (secret, assertion signed by a certificate, federated
 * assertion), the answers and the errors with their AADSTS numbers. Also for the keys by which its tokens are checked
 * (`/TENANT/discovery/v2.0/keys`), one of which signs what {@link EntraServer.sign} is asked for.
 */
export class EntraServer implements AsyncDisposable {
  readonly tenant = "cd4b2887-304c-47e1-b4d5-65447fdd542b";
  /** Each token that was given, with its client and scope. */
  readonly given: { token: string; clientId: string; scope: string }[] = [];
  /** Requests, whatever became of them. */
  requests = 0;
  /** Seconds for which tokens are good. */
  lifetime = 3599;
  /** Tokens are unsecured (RFC 7519, section 6), for a server that looks at their claims alone. */
  isUnsecured = false;
  /** Given first, in place of new ones, for a server that has to know them before. */
  readonly prepared: string[] = [];
  /** Told each token before it is given, for a server that has to know it by then. */
  beforeGiving: ((token: string) => Promise<void>) | undefined;
  /** Answered in place of a token. */
  outage: { status: number; body: string } | undefined;
  /** The keys that it publishes; how often they were asked for. */
  keys: JWK[] = [];
  keysAsked = 0;
  #signing: { readonly kid: string; readonly key: CryptoKey } | undefined;
  #server = createServer((request, response) => void this.#answer(request, response));
  readonly #applications: readonly EntraApplication[];

  private constructor(applications: readonly EntraApplication[]) {
    this.#applications = applications;
  }

  static async start(...applications: EntraApplication[]): Promise<EntraServer> {
    const entra = new EntraServer(applications);
    entra.#server.listen(0, "127.0.0.1");
    await once(entra.#server, "listening");
    return entra;
  }

  /** The authority host. */
  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  /** Takes another key to sign with. `publish`: it is published, too, in place of all before. */
  async rotate({ publish = true } = {}): Promise<void> {
    const { publicKey, privateKey } = await (this.#signing === undefined
      ? (firstPair ??= makePair())
      : makePair());
    const kid = Math.random().toString(36).slice(2);
    this.#signing = { kid, key: privateKey };
    if (publish) this.keys = [{ ...(await exportJWK(publicKey)), kid, use: "sig" }];
  }

  /** A token as it gives services of Microsoft, in version 2; the claims may say otherwise. */
  async sign(claims: JWTPayload, lifetime = 3600): Promise<string> {
    if (this.#signing === undefined) await this.rotate();
    const { kid = "", key } = this.#signing ?? {};
    if (key === undefined) throw new Error("there is no key");
    const now = Math.floor(Date.now() / 1000);
    const all = { iss: `${this.url}/${this.tenant}/v2.0`, iat: now, nbf: now, exp: now + lifetime };
    return new SignJWT({ ...all, ...claims }).setProtectedHeader({ alg: "RS256", kid }).sign(key);
  }

  /** Whether a token was given here for that scope. */
  knows(token: string, scope?: string): boolean {
    return this.given.some(
      (one) => one.token === token && (scope === undefined || one.scope === scope),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests++;
    if (request.url === `/${this.tenant}/discovery/v2.0/keys`) {
      this.keysAsked++;
      const { status, body } = this.outage ?? {
        status: 200,
        body: JSON.stringify({ keys: this.keys }),
      };
      return void response.writeHead(status, { "content-type": "application/json" }).end(body);
    }
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const form = new URLSearchParams(Buffer.concat(parts).toString("utf8"));
    const { status, body } = this.outage ?? (await this.#judge(request, form));
    response.writeHead(status, { "content-type": "application/json; charset=utf-8" }).end(body);
  }

  /** Looks as Entra's do. Nobody here can check a signature, and none is made. */
  #token({ clientId, objectId = clientId }: EntraApplication, scope: string): string {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      ...{ aud: scope.replace(/\/\.default$/, ""), iss: `https://sts.windows.net/${this.tenant}/` },
      ...{ iat: now, nbf: now, exp: now + this.lifetime, appid: clientId, tid: this.tenant },
      ...(objectId === null ? {} : { oid: objectId, sub: objectId }),
      uti: randomUUID(),
    };
    const { isUnsecured } = this;
    const header = isUnsecured ? { alg: "none" } : { alg: "RS256", typ: "JWT", kid: "stand-in" };
    const parts = [header, claims].map((part) =>
      Buffer.from(JSON.stringify(part)).toString("base64url"),
    );
    return [...parts, isUnsecured ? "" : randomBytes(32).toString("base64url")].join(".");
  }

  async #judge(
    request: IncomingMessage,
    form: URLSearchParams,
  ): Promise<{ status: number; body: string }> {
    const endpoint = `/${this.tenant}/oauth2/v2.0/token`;
    if (request.url !== endpoint)
      return failure(400, "invalid_request", 90002, "Tenant not found.");
    if (request.method !== "POST" || form.get("grant_type") !== "client_credentials")
      return failure(400, "unsupported_grant_type", 70003, "The grant type is not supported.");
    const clientId = form.get("client_id") ?? "";
    const application = this.#applications.find((one) => one.clientId === clientId);
    if (application === undefined)
      return failure(400, "unauthorized_client", 700016, "Application was not found.");
    const scope = form.get("scope") ?? "";
    if (!scope.endsWith("/.default"))
      return failure(400, "invalid_scope", 70011, "The provided value for scope is not valid.");
    const refusal = await proves(application, form, `${this.url}${endpoint}`);
    if (refusal !== undefined) return refusal;
    const token = this.prepared.shift() ?? this.#token(application, scope);
    await this.beforeGiving?.(token);
    this.given.push({ token, clientId, scope });
    const answer = {
      token_type: "Bearer",
      expires_in: this.lifetime,
      ext_expires_in: this.lifetime,
      access_token: token,
    };
    return { status: 200, body: JSON.stringify(answer) };
  }
}

async function proves(
  application: EntraApplication,
  form: URLSearchParams,
  audience: string,
): Promise<{ status: number; body: string } | undefined> {
  const secret = form.get("client_secret");
  if (secret !== null) {
    return secret === application.secret
      ? undefined
      : failure(401, "invalid_client", 7000215, "Invalid client secret provided.");
  }
  const assertion = form.get("client_assertion") ?? "";
  const type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
  if (form.get("client_assertion_type") !== type)
    return failure(401, "invalid_client", 7000218, "The request body must contain a proof.");
  if (application.federated !== undefined && assertion === application.federated) return undefined;
  const { certificate } = application;
  if (certificate === undefined)
    return failure(401, "invalid_client", 700027, "No certificate is registered.");
  try {
    const key = await importX509(certificate, "RS256");
    const { protectedHeader, payload } = await jwtVerify(assertion, key, { audience });
    const raw = new X509Certificate(certificate).raw;
    const isItsOwn =
      protectedHeader.x5t === createHash("sha1").update(raw).digest("base64url") &&
      payload.iss === application.clientId &&
      payload.sub === application.clientId &&
      payload.jti !== undefined;
    if (isItsOwn) return undefined;
  } catch {
    // Answered below.
  }
  return failure(401, "invalid_client", 700027, "Client assertion failed signature validation.");
}

function failure(
  status: number,
  error: string,
  code: number,
  text: string,
): { status: number; body: string } {
  const body = {
    error,
    error_description: `AADSTS${code}: ${text} Trace ID: 0 Correlation ID: 0`,
    error_codes: [code],
    timestamp: "2026-01-31 00:00:00Z",
    trace_id: "0",
    correlation_id: "0",
  };
  return { status, body: JSON.stringify(body) };
}
