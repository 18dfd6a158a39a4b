import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";

/**
 * A stand-in for the API server of Kubernetes, written from its API reference: `GET /api/v1/namespaces/NS/secrets/NAME`
 * with a bearer token over TLS, errors as `Status` objects.
 */
export class KubernetesApi implements AsyncDisposable {
  /** By `namespace/name`. */
  readonly secrets = new Map<string, Record<string, string>>();
  token = "pod-token-canary";
  readonly #server;

  private constructor(tls: { readonly cert: string; readonly key: string }) {
    this.#server = createServer(tls, (request, response) => {
      const [status, body] = this.#judge(request.url ?? "", request.headers.authorization ?? "");
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
  }

  static async start(tls: { readonly cert: string; readonly key: string }): Promise<KubernetesApi> {
    const api = new KubernetesApi(tls);
    api.#server.listen(0, "127.0.0.1");
    await once(api.#server, "listening");
    return api;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  #judge(path: string, authorization: string): [number, object] {
    if (authorization !== `Bearer ${this.token}`)
      return status(401, "Unauthorized", "Unauthorized");
    const [, namespace = "", name = ""] =
      /^\/api\/v1\/namespaces\/([^/]+)\/secrets\/([^/]+)$/.exec(path) ?? [];
    if (namespace === "kube-system") {
      const of = `secrets "${name}" is forbidden: User "system:serviceaccount:shop:default" cannot get resource`;
      return status(403, "Forbidden", of);
    }
    const data = this.secrets.get(`${namespace}/${name}`);
    if (data === undefined) return status(404, "NotFound", `secrets "${name}" not found`);
    const encoded = Object.entries(data).map(([key, value]) => [
      key,
      Buffer.from(value).toString("base64"),
    ]);
    const metadata = { name, namespace };
    return [
      200,
      {
        kind: "Secret",
        apiVersion: "v1",
        metadata,
        data: Object.fromEntries(encoded),
        type: "Opaque",
      },
    ];
  }
}

function status(code: number, reason: string, message: string): [number, object] {
  return [
    code,
    { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code },
  ];
}
