import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

type Object = { metadata: Record<string, unknown> } & Record<string, unknown>;
type Change = { readonly type: string; readonly object: Object; readonly version: number };
type Watch = { readonly response: ServerResponse; readonly namespace: string };

/**
 * A stand-in for the API server of Kubernetes, written from its API reference: it lists the events of a namespace in pages,
 * and watches them, with bookmarks, refusals as `Status` objects and "410 Gone" for what it has forgotten.
 */
export class KubernetesEvents implements AsyncDisposable {
  /** The tokens that are taken; empty: none is needed. */
  readonly tokens = new Set<string>();
  /** Those that can be asked for. */
  readonly namespaces = new Set(["shop"]);
  /** Each request, as its path and query. */
  readonly requests: string[] = [];
  /** In place of the answer to a list or a watch. */
  refuse: ((what: "list" | "watch") => { status: number; json: object } | undefined) | undefined;
  /** What is sent of a watch is cut into parts of so many bytes. */
  partSize = Infinity;
  /** A watch ends as soon as it has begun. */
  endsAtOnce = false;
  /** The most events of a page, whatever is asked for. */
  pageSize = 500;
  readonly #server = createServer((request, response) => this.#answer(request, response));
  readonly #objects = new Map<string, Object>();
  readonly #watches = new Set<Watch>();
  #history: Change[] = [];
  #version = 100;
  /** Changes up to here are forgotten. */
  #compacted = 100;

  static async start(port = 0): Promise<KubernetesEvents> {
    const api = new KubernetesEvents();
    api.#server.listen(port, "127.0.0.1");
    await once(api.#server, "listening");
    return api;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** How many watch now. */
  get watches(): number {
    return this.#watches.size;
  }

  /** Writes a kubeconfig into the folder, and returns its path. */
  kubeconfig(folder: string, user = "token: none", port = this.port): string {
    const path = join(folder, `kubeconfig-${randomUUID()}`);
    const lines = [
      ...["apiVersion: v1", "kind: Config", "current-context: here"],
      "contexts: [{name: here, context: {cluster: c, user: u}}]",
      `clusters: [{name: c, cluster: {server: "http://127.0.0.1:${port}"}}]`,
      `users: [{name: u, user: {${user}}}]`,
    ];
    writeFileSync(path, lines.join("\n"));
    return path;
  }

  /** Makes an event, or changes the one that has the name. */
  put(namespace: string, name: string, fields: Record<string, unknown> = {}): void {
    const key = `${namespace}/${name}`;
    const before = this.#objects.get(key);
    const version = ++this.#version;
    const metadata = {
      ...{ name, namespace, uid: before?.metadata["uid"] ?? randomUUID() },
      ...{ resourceVersion: String(version), creationTimestamp: "2026-01-02T03:04:05Z" },
    };
    const object = { metadata, ...event, ...fields };
    this.#objects.set(key, object);
    this.#tell({ type: before === undefined ? "ADDED" : "MODIFIED", object, version });
  }

  remove(namespace: string, name: string): void {
    const key = `${namespace}/${name}`;
    const before = this.#objects.get(key);
    if (before === undefined) throw new Error(`there is no event ${key}`);
    this.#objects.delete(key);
    const version = ++this.#version;
    const metadata = { ...before.metadata, resourceVersion: String(version) };
    this.#tell({ type: "DELETED", object: { ...before, metadata }, version });
  }

  /** Tells all who watch how far they know everything. */
  bookmark(): void {
    const metadata = { resourceVersion: String(++this.#version) };
    const object = { kind: "Event", apiVersion: "v1", metadata };
    for (const watch of this.#watches) this.#write(watch, { type: "BOOKMARK", object });
  }

  /** Forgets what was before. */
  compact(): void {
    this.#compacted = ++this.#version;
    this.#history = [];
  }

  /** Sends this to all who watch. */
  say(text: string): void {
    for (const { response } of this.#watches) response.write(text);
  }

  /** Ends each watch, as the server does after its time. */
  endWatches(): void {
    for (const { response } of this.#watches) response.end();
  }

  /** Cuts each connection. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(request.url ?? "");
    const send = (status: number, json: object): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(written(json));
    };
    const bearer = (request.headers.authorization ?? "").replace(/^Bearer /, "");
    const { pathname, searchParams } = new URL(request.url ?? "", "http://server");
    if (this.tokens.size > 0 && !this.tokens.has(bearer))
      return send(401, status(401, "Unauthorized", "Unauthorized"));
    if (pathname === "/version") return send(200, { major: "1", minor: "34" });
    const asked = /^\/api\/v1\/namespaces\/([^/]+)$/.exec(pathname)?.[1];
    if (asked !== undefined) {
      const isThere = this.namespaces.has(asked);
      if (isThere) return send(200, { kind: "Namespace", metadata: { name: asked } });
      return send(404, status(404, "NotFound", `namespaces "${asked}" not found`));
    }
    const namespace = /^\/api\/v1\/namespaces\/([^/]+)\/events$/.exec(pathname)?.[1];
    if (namespace === undefined) return send(404, status(404, "NotFound", "not found"));
    const isWatch = ["true", "1"].includes(searchParams.get("watch") ?? "");
    const refusal = this.refuse?.(isWatch ? "watch" : "list");
    if (refusal !== undefined) return send(refusal.status, refusal.json);
    if (isWatch) this.#watch(namespace, searchParams, response);
    else send(...this.#page(namespace, searchParams));
  }

  #page(namespace: string, query: URLSearchParams): [number, object] {
    const from = query.get("continue") ?? "";
    if (from !== "" && Number(from.split(":")[0]) < this.#compacted)
      return [410, status(410, "Expired", "The provided continue parameter is too old")];
    const all = this.#in(namespace);
    const begin = Number(from.split(":")[1] ?? 0);
    const size = Math.min(Number(query.get("limit") ?? 500), this.pageSize);
    const items = all.slice(begin, begin + size);
    const more = begin + size < all.length;
    const metadata = {
      resourceVersion: String(this.#version),
      ...(more ? { continue: `${this.#version}:${begin + size}` } : {}),
    };
    return [200, { kind: "EventList", apiVersion: "v1", metadata, items }];
  }

  #watch(namespace: string, query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get("resourceVersion") ?? 0);
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    const watch = { response, namespace };
    if (from < this.#compacted) {
      const object = status(410, "Expired", `too old resource version: ${from}`);
      this.#write(watch, { type: "ERROR", object });
      return void response.end();
    }
    for (const change of this.#history) if (change.version > from) this.#write(watch, change);
    if (this.endsAtOnce) return void response.end();
    this.#watches.add(watch);
    response.on("error", () => undefined);
    response.on("close", () => this.#watches.delete(watch));
    const seconds = Number(query.get("timeoutSeconds") ?? 300);
    setTimeout(() => response.end(), seconds * 1000).unref();
  }

  #in(namespace: string): Object[] {
    return [...this.#objects.values()].filter(
      ({ metadata }) => metadata["namespace"] === namespace,
    );
  }

  #tell(change: Change): void {
    this.#history.push(change);
    for (const watch of this.#watches) this.#write(watch, change);
  }

  #write(
    { response, namespace }: Watch,
    { type, object }: { readonly type: string; readonly object: object },
  ): void {
    const { metadata } = object as Partial<Object>;
    const of = metadata?.["namespace"];
    if (of !== undefined && of !== namespace) return;
    const whole = type === "ADDED" || type === "MODIFIED" || type === "DELETED";
    const own = whole ? { kind: "Event", apiVersion: "v1", ...object } : object;
    const line = Buffer.from(`${written({ type, object: own })}\n`);
    for (let at = 0; at < line.length; at += this.partSize)
      response.write(line.subarray(at, Math.min(at + this.partSize, line.length)));
  }
}

/** JSON as programs in Go write it. */
function written(value: object): string {
  return JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A refusal as the API tells it. */
export function status(code: number, reason: string, message: string): object {
  const all = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure" };
  return { ...all, message, reason, code };
}

/** What an event of a pod has beside its own fields. */
const event = {
  involvedObject: { kind: "Pod", namespace: "shop", name: "web-1", apiVersion: "v1" },
  reason: "Scheduled",
  message: "assigned",
  source: { component: "default-scheduler" },
  firstTimestamp: "2026-01-02T03:04:05Z",
  lastTimestamp: "2026-01-02T03:04:05Z",
  count: 1,
  type: "Normal",
  eventTime: null,
  reportingComponent: "default-scheduler",
  reportingInstance: "",
};
