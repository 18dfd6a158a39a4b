import { createServer } from "node:https";
import type { ServerResponse } from "node:http";
import { makeCertificates } from "../bindings/certificates.ts";
import { startLoopback } from "../bindings/http/loopback-server.ts";
import { startConnectProxy } from "./connect-proxy.ts";

type Binding = Readonly<Record<"type" | "name", string>> & {
  readonly queue_name?: string;
  readonly text?: string;
};
type Script = { readonly code: string; readonly bindings: readonly Binding[]; enabled: boolean };
type Metadata = {
  readonly main_module: string;
  readonly bindings: readonly Binding[];
  readonly keep_bindings?: readonly string[];
};
type Handler = { readonly fetch: (request: Request, env: object) => Promise<Response> };
type Received = {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
};

export const cloudflareAccount = { cfAccountID: "0123456789abcdef", cfAPIToken: "cf-api-token" };
const subdomain = "shop";
const api = `/client/v4/accounts/${cloudflareAccount.cfAccountID}/workers/`;

/**
 * A stand-in for Cloudflare: the part of its REST API that makes workers, written from the published reference, and the
 * workers themselves, which run in this process what was uploaded. Clients reach both, at their own addresses, by
 * `proxy` alone.
 */
export async function startCloudflare() {
  const certificates = makeCertificates(["api.cloudflare.com", `*.${subdomain}.workers.dev`]);
  const scripts = new Map<string, Script>();
  const messages: { readonly queue: string; readonly text: string }[] = [];
  const asked: string[] = [];
  const uploads: Metadata[] = [];
  const state = {
    /** Answers a step of the API, such as `PUT scripts/NAME`, otherwise. `hang`: with nothing. */
    failures: new Map<string, "hang" | readonly [status: number, code: number, message: string]>(),
    /** How many requests a deployed worker answers with 404 before it is there. */
    propagation: 0,
    subdomain: subdomain as string | null,
  };

  class Queue {
    readonly name: string;
    constructor(name: string) {
      this.name = name;
    }
    async send(text: string): Promise<void> {
      messages.push({ queue: this.name, text });
    }
  }

  const answer = (response: ServerResponse, status: number, content: object): void => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify({ messages: [], ...content }));
  };
  const refuse = (response: ServerResponse, status: number, code: number, message: string): void =>
    answer(response, status, { result: null, success: false, errors: [{ code, message }] });
  const accept = (response: ServerResponse, result: object): void =>
    answer(response, 200, { result, success: true, errors: [] });

  async function upload(name: string, { headers, body }: Received): Promise<string | undefined> {
    const form = await new Response(body, { headers }).formData();
    const described = form.get("metadata");
    const text = typeof described === "string" ? described : ((await described?.text()) ?? "");
    const metadata = JSON.parse(text) as Metadata;
    const module = form.get(metadata.main_module);
    if (!(module instanceof File) || module.type !== "application/javascript+module")
      return "the main module is missing";
    uploads.push(metadata);
    const before = scripts.get(name);
    const named = new Set(metadata.bindings.map((binding) => binding.name));
    const kept = before?.bindings.filter(
      (binding) => metadata.keep_bindings?.includes(binding.type) && !named.has(binding.name),
    );
    const bindings = [...metadata.bindings, ...(kept ?? [])];
    scripts.set(name, { code: await module.text(), bindings, enabled: before?.enabled ?? false });
    return undefined;
  }

  async function control(received: Received, response: ServerResponse): Promise<void> {
    const step = `${received.method} ${received.path.slice(api.length)}`;
    asked.push(step);
    if (received.headers.get("authorization") !== `Bearer ${cloudflareAccount.cfAPIToken}`)
      return refuse(response, 401, 10000, "Authentication error");
    if (!received.path.startsWith(api)) return refuse(response, 404, 7003, "Could not route");
    const failure = state.failures.get(step);
    if (failure === "hang") return;
    if (failure !== undefined) return refuse(response, ...failure);
    const [, name = "", route = ""] = /^\w+ scripts\/([^/]+)(\/subdomain)?$/.exec(step) ?? [];
    if (step === "GET subdomain") return accept(response, { subdomain: state.subdomain });
    if (received.method === "PUT" && name !== "" && route === "") {
      const wrong = await upload(name, received);
      return wrong === undefined
        ? accept(response, { id: name })
        : refuse(response, 400, 10021, wrong);
    }
    const script = scripts.get(name);
    if (received.method !== "POST" || route === "" || script === undefined)
      return refuse(response, 404, 10007, "workers.api.error.script_not_found");
    script.enabled = (JSON.parse(Buffer.from(received.body).toString()) as Script).enabled;
    return accept(response, { enabled: script.enabled, previews_enabled: false });
  }

  async function run(host: string, received: Received, response: ServerResponse): Promise<void> {
    const script = scripts.get(host.split(".")[0] ?? "");
    if (script === undefined || !script.enabled || state.propagation-- > 0)
      return void response.writeHead(404).end("There is nothing here yet");
    const entries = script.bindings.map(({ type, name, text, queue_name: queue = "" }) => [
      ...[name, type === "queue" ? new Queue(queue) : text],
    ]);
    const url = `data:text/javascript,${encodeURIComponent(script.code)}`;
    const { default: worker } = (await import(/* @vite-ignore */ url)) as { default: Handler };
    const { method, headers, body, path } = received;
    const init = { method, headers, ...(body.length > 0 && { body }) };
    const env = Object.fromEntries(entries) as object;
    const answered = await worker.fetch(new Request(`https://${host}${path}`, init), env);
    response.writeHead(answered.status).end(Buffer.from(await answered.arrayBuffer()));
  }

  const server = await startLoopback(
    ({ method = "", url = "", rawHeaders, headers: { host = "" }, body }, response) => {
      const headers = new Headers();
      for (let at = 0; at < rawHeaders.length; at += 2)
        headers.append(rawHeaders[at] ?? "", rawHeaders[at + 1] ?? "");
      const received = { method, path: url, headers, body: new Uint8Array(body) };
      const work =
        host === "api.cloudflare.com" ? control(received, response) : run(host, received, response);
      work.catch((error: unknown) => response.writeHead(500).end(String(error)));
    },
    (listener) =>
      createServer({ cert: certificates.server.cert, key: certificates.server.key }, listener),
    "https",
  );
  const proxy = await startConnectProxy(server.port);
  return {
    ...{ scripts, messages, asked, uploads, state, proxy, caCert: certificates.ca },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      certificates.remove();
    },
  };
}
