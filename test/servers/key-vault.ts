import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * A stand-in for the secrets of Azure Key Vault, written from its REST reference: `GET /secrets/NAME?api-version=7.4` with
 * a bearer token, errors as `{"error": {"code", "message"}}`.
 */
export class KeyVaultServer implements AsyncDisposable {
  readonly secrets = new Map<string, string>();
  requests = 0;
  readonly #knows: (token: string) => boolean;
  #server = createServer((request, response) => {
    this.requests++;
    const [status, body] = this.#judge(request.url ?? "", request.headers.authorization ?? "");
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });

  private constructor(knows: (token: string) => boolean) {
    this.#knows = knows;
  }

  /** `knows`: whether a token is good. */
  static async start(knows: (token: string) => boolean): Promise<KeyVaultServer> {
    const vault = new KeyVaultServer(knows);
    vault.#server.listen(0, "127.0.0.1");
    await once(vault.#server, "listening");
    return vault;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  #judge(target: string, authorization: string): [number, object] {
    const { pathname, searchParams } = new URL(target, this.url);
    if (searchParams.get("api-version") === null)
      return [400, failure("BadParameter", "The api-version is missing.")];
    if (!this.#knows(authorization.replace(/^Bearer /, "")))
      return [401, failure("Unauthorized", `AKV10022: Invalid audience (${authorization})`)];
    const name = /^\/secrets\/([^/]+)\/?$/.exec(pathname)?.[1] ?? "";
    if (!/^[\da-zA-Z-]{1,127}$/.test(name))
      return [400, failure("BadParameter", "The request URI contains an invalid name")];
    if (name === "forbidden")
      return [403, failure("Forbidden", "The user does not have secrets get permission")];
    const value = this.secrets.get(name);
    return value === undefined
      ? [404, failure("SecretNotFound", `A secret with (name/id) ${name} was not found`)]
      : [200, { value, id: `${this.url}/secrets/${name}/1`, attributes: { enabled: true } }];
  }
}

function failure(code: string, message: string): object {
  return { error: { code, message } };
}
