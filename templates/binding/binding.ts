// The binding type `bindings.TYPE`: a queue of messages behind an HTTP API. Write your own system in its place.
import { setTimeout as pause } from "node:timers/promises";
import { BindingError, defineBinding, fields, type InboundEvent, type Reason } from "cufflink";

/** One message as `GET /messages` lists it. */
type Message = { readonly id: string; readonly data: string };

/** The connection: what `open` returns, and what every other function gets. */
class Service implements AsyncDisposable {
  readonly #url: string;
  readonly #token: string | undefined;

  constructor(url: string, token: string | undefined) {
    this.#url = url.replace(/\/+$/, "");
    this.#token = token;
  }

  async list(limit: number, signal: AbortSignal): Promise<Message[]> {
    const response = await this.request("GET", `/messages?limit=${limit}`, signal);
    return (await response.json()) as Message[];
  }

  /** One request. Throws a `BindingError` that tells the runtime what is known of the effect. */
  async request(
    method: string,
    path: string,
    signal: AbortSignal,
    body?: Uint8Array<ArrayBuffer>,
  ): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(this.#url + path, {
        method,
        signal,
        ...(body === undefined ? {} : { body }),
        ...(this.#token === undefined
          ? {}
          : { headers: { authorization: `Bearer ${this.#token}` } }),
      });
    } catch (error) {
      // Nothing was sent where there is no connection. After that nobody knows: the answer is what was lost.
      const effect = notConnected.has(codeOf(error)) ? "unsent" : "ambiguous";
      const message = `${method} ${this.#url} failed: ${codeOf(error) || String(error)}`;
      throw new BindingError("unavailable", message, { effect, cause: error });
    }
    if (response.ok) return response;
    const { status } = response;
    const said = (await response.text()).slice(0, 200);
    throw new BindingError(
      reasons[status] ?? "unavailable",
      `${method} was answered ${status}: ${said}`,
      {
        // The service says of 429 that it has done nothing. Of 5xx it says nothing. Other answers are a "no".
        effect: status === 429 ? "unsent" : status >= 500 ? "ambiguous" : "rejected",
        systemCode: String(status),
      },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // `fetch` has no connection to close.
  }
}

export default defineBinding({
  name: "TYPE",
  status: "alpha",
  summary: "Messages of an HTTP service.",

  metadata: {
    url: fields.string({
      description: "Where the service is.",
      required: true,
      example: "http://127.0.0.1:8080",
    }),
    token: fields.string({ description: "The token of the service.", sensitive: true }),
    pollInterval: fields.duration({
      description: "The pause before the service is asked again when there was nothing.",
      default: "1s",
      direction: "input",
    }),
  },

  async open({ metadata, signal }) {
    const service = new Service(metadata.url, metadata.token);
    await service.list(0, signal);
    return service;
  },

  async ping(service, signal) {
    await service.list(0, signal);
  },

  operations: {
    create: {
      description: "Adds the payload as a message, and answers its id.",
      request: {},
      async invoke(service, { data = new Uint8Array(), signal }) {
        const response = await service.request("POST", "/messages", signal, new Uint8Array(data));
        return { data: new Uint8Array(await response.arrayBuffer()) };
      },
    },
    delete: {
      description: "Deletes a message.",
      request: { id: fields.string({ description: "The message's id.", required: true }) },
      // To delete it twice does no harm, so that the runtime may repeat the call after any failure.
      idempotent: true,
      async invoke(service, { request, signal }) {
        await service.request("DELETE", `/messages/${encodeURIComponent(request.id)}`, signal);
      },
    },
  },

  read(service, reading) {
    const stopped = new AbortController();
    /** The messages that the runtime or the app has. */
    const held = new Set<string>();
    /** Those of them that the service has deleted; a list that was asked for before may still name them. */
    const gone = new Set<string>();
    const confirming = new Set<Promise<void>>();

    /** Handled: the service may forget it. A failure opens the component anew, and the message comes again. */
    async function confirm(id: string): Promise<void> {
      try {
        await service.request(
          "DELETE",
          `/messages/${encodeURIComponent(id)}`,
          AbortSignal.timeout(10_000),
        );
        gone.add(id);
      } catch (error) {
        reading.lost(error);
      }
    }

    const eventOf = ({ id, data }: Message): InboundEvent => ({
      id,
      data: Buffer.from(data, "base64"),
      metadata: { messageId: id },
      headers: [],
      settle({ outcome }) {
        if (outcome === "returned") {
          held.delete(id);
          return;
        }
        const work = confirm(id).finally(() => confirming.delete(work));
        confirming.add(work);
      },
    });

    async function poll(): Promise<void> {
      while (!stopped.signal.aborted) {
        const goneBefore = [...gone];
        const messages = await service.list(100, stopped.signal);
        const fresh = messages.filter(({ id }) => !held.has(id));
        for (const id of goneBefore) {
          gone.delete(id);
          held.delete(id);
        }
        if (stopped.signal.aborted) return;
        for (const { id } of fresh) held.add(id);
        // Awaited: it resolves when the app has room for more.
        if (fresh.length > 0) await reading.deliver(fresh.map(eventOf));
        else await pause(reading.metadata.pollInterval, undefined, { signal: stopped.signal });
      }
    }

    poll().catch((error: unknown) => {
      if (!stopped.signal.aborted) reading.lost(error);
    });
    return {
      stop: () => stopped.abort(),
      async flush() {
        await Promise.all(confirming);
      },
      close() {},
    };
  },

  guarantee: {
    returned: "is listed again",
    atLeastOnce: "the service keeps its messages",
    duplicates: {
      app: "the events that the app had",
      runtime: "the events that were not confirmed",
      server: "the events that were not confirmed",
    },
  },
});

/** The failures of `fetch` before anything was sent. */
const notConnected = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]);

/** What the statuses of the service mean. */
const reasons: Readonly<Record<number, Reason>> = {
  400: "invalid_argument",
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
  409: "already_exists",
  429: "resource_exhausted",
};

function codeOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: unknown } };
  return typeof cause?.code === "string" ? cause.code : "";
}
