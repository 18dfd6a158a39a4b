import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { status } from "./kubernetes-events.ts";

type Tls = { readonly cert: string; readonly key: string };
type Object = { readonly metadata: Record<string, unknown> } & Record<string, unknown>;
type Change = { readonly type: string; readonly object: Object; readonly version: number };
type Watch = { readonly response: ServerResponse; readonly path: string; readonly name?: string };
/** What is asked for: the verb, and the collection's or the object's path. */
type Asked = { readonly verb: "list" | "watch" | "get"; readonly path: string };

const plurals: Readonly<Record<string, string>> = {
  Component: "components",
  Resiliency: "resiliencies",
  Configuration: "configurations",
};

/**
 * A stand-in for the API server of Kubernetes over TLS, written from its API reference: lists of any collection in pages,
 * watches with field selectors, bookmarks and "410 Gone", single objects, and refusals as `Status` objects. It may be
 * stopped, and started again at the same port with all it had.
 */
export class KubernetesCluster implements AsyncDisposable {
  /** The tokens that are taken; empty: none is needed. */
  readonly tokens = new Set<string>();
  /** Each request, as its path and query. */
  readonly requests: string[] = [];
  /** In place of an answer. */
  refuse: ((asked: Asked) => { status: number; json: object } | undefined) | undefined;
  readonly #objects = new Map<string, Object>();
  readonly #watches = new Set<Watch>();
  #tls: Tls;
  #server: Server;
  #port = 0;
  #history: Change[] = [];
  #version = 100;
  #compacted = 100;

  private constructor(tls: Tls) {
    this.#tls = tls;
    this.#server = this.#create();
  }

  static async start(tls: Tls): Promise<KubernetesCluster> {
    const cluster = new KubernetesCluster(tls);
    await cluster.#listen();
    return cluster;
  }

  /** One that may be started later, at a port that is free now. */
  static async stopped(tls: Tls): Promise<KubernetesCluster> {
    const cluster = await KubernetesCluster.start(tls);
    await cluster.stop();
    return cluster;
  }

  get url(): string {
    return `https://localhost:${this.#port}`;
  }

  get watches(): number {
    return this.#watches.size;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  /** Again, with another certificate perhaps. */
  async startAgain(tls: Tls = this.#tls): Promise<void> {
    this.#tls = tls;
    this.#server = this.#create();
    await this.#listen();
  }

  /** Makes a resource, or changes it. `silently`: a watch hears nothing of it, nor later. */
  put(
    kind: string,
    namespace: string,
    name: string,
    rest: Record<string, unknown>,
    { silently = false } = {},
  ): void {
    const path = pathOf(kind, namespace);
    const before = this.#objects.get(`${path}/${name}`);
    const version = ++this.#version;
    const metadata = {
      ...{ name, namespace, uid: `uid-of-${name}`, resourceVersion: String(version) },
      ...{ managedFields: [{ manager: "kubectl" }], labels: { changed: String(version) } },
    };
    const object = { apiVersion: "dapr.io/v1alpha1", kind, metadata, ...rest };
    this.#objects.set(`${path}/${name}`, object);
    if (silently) return;
    this.#tell({ type: before === undefined ? "ADDED" : "MODIFIED", object, version }, path);
  }

  remove(kind: string, namespace: string, name: string): void {
    const path = pathOf(kind, namespace);
    const object = this.#objects.get(`${path}/${name}`);
    if (object === undefined) throw new Error(`there is no ${kind} ${name}`);
    this.#objects.delete(`${path}/${name}`);
    const version = ++this.#version;
    const metadata = { ...object.metadata, resourceVersion: String(version) };
    this.#tell({ type: "DELETED", object: { ...object, metadata }, version }, path);
  }

  secret(namespace: string, name: string, values: Readonly<Record<string, string>>): void {
    const data = Object.fromEntries(
      Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString("base64")]),
    );
    const path = `/api/v1/namespaces/${namespace}/secrets`;
    const metadata = { name, namespace, resourceVersion: String(++this.#version) };
    this.#objects.set(`${path}/${name}`, { apiVersion: "v1", kind: "Secret", metadata, data });
  }

  /** Tells all who watch how far they know everything. Returns that version. */
  bookmark(): number {
    const object = { metadata: { resourceVersion: String(++this.#version) } };
    for (const { response } of this.#watches) write(response, { type: "BOOKMARK", object });
    return this.#version;
  }

  /** Forgets what was before. */
  compact(): void {
    this.#compacted = ++this.#version;
    this.#history = [];
  }

  /** Tells those who watch nothing more; their connections live. */
  stall(): void {
    this.#watches.clear();
  }

  /** Ends each watch, as the server does after its time. */
  endWatches(): void {
    for (const { response } of this.#watches) response.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.stop();
  }

  #create(): Server {
    return createServer(this.#tls, (request, response) => this.#answer(request, response));
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(request.url ?? "");
    const send = (code: number, json: object): void => {
      response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(json));
    };
    const bearer = (request.headers.authorization ?? "").replace(/^Bearer /, "");
    if (this.tokens.size > 0 && !this.tokens.has(bearer))
      return send(401, status(401, "Unauthorized", "Unauthorized"));
    const { pathname: path, searchParams: query } = new URL(request.url ?? "", this.url);
    const isObject = /\/namespaces\/[^/]+\/[^/]+\/[^/]+$/.test(path);
    const verb = isObject ? "get" : query.get("watch") === "true" ? "watch" : "list";
    const refusal = this.refuse?.({ verb, path });
    if (refusal !== undefined) return send(refusal.status, refusal.json);
    if (verb === "watch") return this.#watch(path, query, response);
    if (verb === "list") return send(...this.#page(path, query));
    const object = this.#objects.get(path);
    if (object === undefined) send(404, status(404, "NotFound", "not found"));
    else send(200, object);
  }

  #page(path: string, query: URLSearchParams): [number, object] {
    const from = query.get("continue") ?? "";
    if (from !== "" && Number(from.split(":")[0]) < this.#compacted)
      return [410, status(410, "Expired", "The provided continue parameter is too old")];
    const wanted = nameIn(query);
    const all = [...this.#objects].flatMap(([key, object]) => {
      const isOf = key.startsWith(`${path}/`) && !key.slice(path.length + 1).includes("/");
      return isOf && (wanted ?? object.metadata["name"]) === object.metadata["name"] ? object : [];
    });
    const begin = Number(from.split(":")[1] ?? 0);
    const end = begin + Number(query.get("limit") ?? 500);
    const metadata = {
      resourceVersion: String(this.#version),
      ...(end < all.length ? { continue: `${this.#version}:${end}` } : {}),
    };
    return [200, { kind: "List", apiVersion: "v1", metadata, items: all.slice(begin, end) }];
  }

  #watch(path: string, query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get("resourceVersion") ?? 0);
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    if (from < this.#compacted) {
      const object = status(410, "Expired", `too old resource version: ${from}`);
      write(response, { type: "ERROR", object });
      return void response.end();
    }
    const name = nameIn(query);
    const watch = { response, path, ...(name === undefined ? {} : { name }) };
    for (const { version, type, object } of this.#history)
      if (version > from && isFor(watch, object)) write(response, { type, object });
    this.#watches.add(watch);
    response.on("error", () => undefined);
    response.on("close", () => this.#watches.delete(watch));
  }

  #tell(change: Change, path: string): void {
    this.#history.push(change);
    const { type, object } = change;
    for (const watch of this.#watches)
      if (watch.path === path && isFor(watch, object)) write(watch.response, { type, object });
  }
}

function pathOf(kind: string, namespace: string): string {
  return `/apis/dapr.io/v1alpha1/namespaces/${namespace}/${plurals[kind]}`;
}

function isFor({ path, name }: Watch, { kind, metadata }: Object): boolean {
  const isOf = path === pathOf(String(kind), String(metadata["namespace"]));
  return isOf && (name ?? metadata["name"]) === metadata["name"];
}

function nameIn(query: URLSearchParams): string | undefined {
  return /^metadata\.name=(.*)$/.exec(query.get("fieldSelector") ?? "")?.[1];
}

function write(response: ServerResponse, line: object): void {
  response.write(`${JSON.stringify(line)}\n`);
}
