import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

type Token = { policies: string; until: number; ttl: number; renewable: boolean };

/**
 * A stand-in for HashiCorp Vault, written from its API reference: KV 2 at `secret/` and KV 1 at `kv/`, tokens that end and
 * are renewed, AppRole and Kubernetes log-ins, errors as `{"errors": […]}`.
 */
export class VaultStandIn implements AsyncDisposable {
  /** Secrets of KV 2, by their path beneath the engine. */
  readonly secrets = new Map<string, Record<string, unknown>>();
  /** Secrets of KV 1. */
  readonly flat = new Map<string, Record<string, unknown>>();
  /** The tokens that are good. */
  readonly tokens = new Map<string, Token>();
  readonly appRole = { role: "role-1", secret: "secret-id-canary" };
  readonly kubernetes = { role: "shop", jwt: "service-account-canary" };
  /** Requests, in order, as `GET /v1/secret/data/x`. */
  readonly requests: string[] = [];
  /** The namespace header of the last request. */
  namespace = "";
  /** Seconds for which tokens of a log-in are good. */
  lifetime = 3600;
  /** Answered in place of anything else; `hang`: never. */
  outage: number | "hang" | undefined;
  #given = 0;
  #server = createServer((request, response) => void this.#answer(request, response));

  static async start(): Promise<VaultStandIn> {
    const vault = new VaultStandIn();
    vault.allow("root-canary", 0);
    await vault.listen(0);
    return vault;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  /** Nobody listens any more, until {@link listen}. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  allow(token: string, seconds: number, renewable = seconds > 0): void {
    const until = seconds === 0 ? Infinity : Date.now() + seconds * 1000;
    this.tokens.set(token, { policies: "shop", until, ttl: seconds, renewable });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.stop();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { method = "", url = "" } = request;
    this.requests.push(`${method} ${url}`);
    this.namespace = String(request.headers["x-vault-namespace"] ?? "");
    if (this.outage === "hang") return;
    const [status, body] =
      this.outage === undefined
        ? this.#judge(
            request,
            parts.length === 0 ? {} : JSON.parse(Buffer.concat(parts).toString()),
          )
        : [this.outage, { errors: ["Vault is sealed"] }];
    response.writeHead(status, { "content-type": "application/json" });
    response.end(status === 204 ? "" : JSON.stringify(body));
  }

  #judge(request: IncomingMessage, body: Record<string, string>): [number, object] {
    const path = decodeURIComponent((request.url ?? "").replace(/\?.*$/, ""));
    const token = String(request.headers["x-vault-token"] ?? "");
    if (path === "/v1/auth/approle/login") {
      const { role, secret } = this.appRole;
      if (body["role_id"] === role && body["secret_id"] === secret) return this.#give();
      return [400, { errors: ["invalid role or secret ID"] }];
    }
    if (path === "/v1/auth/kubernetes/login") {
      const { role, jwt } = this.kubernetes;
      if (body["role"] === role && body["jwt"] === jwt) return this.#give();
      return [403, { errors: ["permission denied"] }];
    }
    const known = this.tokens.get(token);
    if (known === undefined || known.until < Date.now())
      return [403, { errors: [`permission denied (token ${token})`] }];
    if (path === "/v1/auth/token/lookup-self")
      return [200, { data: { ttl: known.ttl, renewable: known.renewable } }];
    if (path === "/v1/auth/token/renew-self") {
      this.allow(token, known.ttl);
      return [200, { auth: { client_token: token, lease_duration: known.ttl, renewable: true } }];
    }
    if (path === "/v1/auth/token/revoke-self") {
      this.tokens.delete(token);
      return [204, {}];
    }
    const missing: [number, object] = [404, { errors: [] }];
    if (path.startsWith("/v1/secret/data/")) {
      const data = this.secrets.get(path.slice("/v1/secret/data/".length));
      return data === undefined
        ? missing
        : [200, { data: { data, metadata: { version: 1, deletion_time: "" } } }];
    }
    const flat = this.flat.get(path.slice("/v1/kv/".length));
    return flat === undefined ? missing : [200, { data: flat, lease_duration: 2_764_800 }];
  }

  #give(): [number, object] {
    const token = `hvs.login-canary-${++this.#given}`;
    this.allow(token, this.lifetime);
    const auth = { client_token: token, lease_duration: this.lifetime, renewable: true };
    return [200, { auth }];
  }
}
