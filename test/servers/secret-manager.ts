import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * A stand-in for Google's Secret Manager and for the server that gives tokens, written from the REST reference:
 * `GET /v1/projects/PROJECT/secrets/NAME/versions/latest:access` with a bearer token, errors as `google.rpc.Status`.
 */
export class SecretManagerServer implements AsyncDisposable {
  /** Of the project `shop`. */
  readonly secrets = new Map<string, Uint8Array>();
  /** What is answered in place of a secret, by its name: the status and its name. */
  readonly failures = new Map<string, readonly [status: number, name: string]>();
  /** Those that are taken. */
  readonly tokens = new Set<string>();
  tokenRequests = 0;
  #server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "", this.url);
    const [status, body] =
      pathname === "/token"
        ? this.#token()
        : this.#access(request.method, pathname, request.headers.authorization ?? "");
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });

  static async start(): Promise<SecretManagerServer> {
    const manager = new SecretManagerServer();
    manager.#server.listen(0, "127.0.0.1");
    await once(manager.#server, "listening");
    return manager;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  #token(): [number, object] {
    const token = `token-canary-${++this.tokenRequests}`;
    this.tokens.add(token);
    return [200, { access_token: token, expires_in: 3600, token_type: "Bearer" }];
  }

  #access(method: string | undefined, path: string, authorization: string): [number, object] {
    const found = /^\/v1\/projects\/([^/]+)\/secrets\/([^/]+)\/versions\/latest:access$/.exec(path);
    if (method !== "GET" || found === null) return failure(404, "NOT_FOUND", "Not found.");
    if (!this.tokens.has(authorization.replace(/^Bearer /, "")))
      return failure(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.");
    const [, project, name = ""] = found;
    if (project !== "shop")
      return failure(403, "PERMISSION_DENIED", `Permission denied on resource project ${project}.`);
    const known = this.failures.get(name);
    if (known !== undefined) return failure(known[0], known[1], `about ${name}`);
    const value = this.secrets.get(name);
    const secret = `projects/123456/secrets/${name}`;
    if (value === undefined)
      return failure(404, "NOT_FOUND", `Secret [${secret}] not found or has no versions.`);
    const data = Buffer.from(value).toString("base64");
    return [
      200,
      { name: `${secret}/versions/3`, payload: data === "" ? {} : { data, dataCrc32c: "1" } },
    ];
  }
}

function failure(code: number, status: string, message: string): [number, object] {
  return [code, { error: { code, message, status } }];
}
