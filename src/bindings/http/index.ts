import { defineBinding } from "../../binding.ts";
import type { Answer, Call, Operation } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { longestTimer } from "../../metadata/duration.ts";
import type { Effect, Reason } from "../../errors.ts";
import { bool } from "../../metadata/fields.ts";
import { joinPath, parseAddress } from "./address.ts";
import { HttpClient } from "./client.ts";
import type { Answered } from "./exchange.ts";
import { callFields, httpFields } from "./fields.ts";
import { requestHeaders, responseMetadata } from "./headers.ts";

/** Calls an HTTP server. Operations are methods; request metadata with a capital letter are headers. */
export default defineBinding({
  name: "http",
  status: "stable",
  summary: "Calls an HTTP or HTTPS server.",
  metadata: httpFields,

  async open({ metadata, memory }) {
    return HttpClient.open(await import("undici"), {
      url: metadata.url,
      ca: metadata.MTLSRootCA,
      cert: metadata.MTLSClientCert,
      key: metadata.MTLSClientKey,
      tokenHeader: metadata.securityTokenHeader,
      maxConnections: metadata.maxConnections,
      memory,
    });
  },

  operations: {
    create: method("POST", "Sends the data with POST."),
    get: method("GET", "Sends a GET request."),
    head: method("HEAD", "Sends a HEAD request, for status and headers only."),
    post: method("POST", "Sends the data with POST."),
    put: method("PUT", "Sends the data with PUT."),
    patch: method("PATCH", "Sends the data with PATCH."),
    delete: method("DELETE", "Sends a DELETE request."),
    options: method("OPTIONS", "Sends an OPTIONS request."),
    trace: method("TRACE", "Sends a TRACE request."),
  },
});

type HttpCall = Call<typeof httpFields, typeof callFields>;

/** The operation that is one method. Repeating is harmless for the methods that HTTP calls idempotent. */
function method(
  name: string,
  description: string,
): Operation<typeof httpFields, HttpClient, typeof callFields> {
  return {
    description,
    request: callFields,
    idempotent: name !== "POST" && name !== "PATCH",
    invoke: (client, call) => request(client, name, call),
  };
}

const withBody = new Set(["POST", "PUT", "PATCH"]);
const empty = new Uint8Array();

async function request(client: HttpClient, name: string, call: HttpCall): Promise<Answer> {
  const { metadata, properties, data = empty } = call;
  const { path } = call.request;
  const address = path ? parseAddress(joinPath(metadata.url, path)) : client.home;
  const hasBody = withBody.has(name);
  const headers = requestHeaders({
    properties,
    hasBody,
    authorization: address.authorization,
    tokenHeader: metadata.securityTokenHeader,
    token: metadata.securityToken,
  });
  const { maxResponseBodySize: maxBody, responseTimeout = 0 } = metadata;
  const wanted = {
    method: name,
    address,
    headers,
    body: hasBody ? data : undefined,
    maxBody,
  };
  const answered =
    responseTimeout > 0
      ? await within(responseTimeout, call.signal, (signal) => client.send(wanted, signal))
      : await client.send(wanted, call.signal);
  return toAnswer(answered, call);
}

/** Runs with a signal that is also aborted after `milliseconds`. */
async function within<Result>(
  milliseconds: number,
  outer: AbortSignal,
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const late = new BindingError(
    "deadline_exceeded",
    `context deadline exceeded; no answer within ${milliseconds} ms (responseTimeout)`,
  );
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(late), Math.min(milliseconds, longestTimer));
  try {
    return await run(AbortSignal.any([outer, controller.signal]));
  } finally {
    clearTimeout(timer);
  }
}

function toAnswer(answered: Answered, { metadata: component, properties }: HttpCall): Answer {
  const { status, phrase, headers, body, cut } = answered;
  const metadata = responseMetadata(status, phrase, headers);
  if (cut) metadata["truncated"] = "true";
  const wish = properties["errorIfNot2XX"];
  const strict = wish ? isTrue(wish) : component.errorIfNot2XX;
  if (!strict || (status >= 200 && status < 300)) return { data: body, metadata };
  const retryAfter = retryAfterOf(headers["retry-after"]);
  throw new BindingError(reasonOf(status), `received status code ${status}`, {
    effect: effectOf(status),
    systemCode: String(status),
    metadata,
    ...(retryAfter === undefined ? {} : { retryAfter }),
  });
}

const truth = bool({ description: "" });

function isTrue(text: string): boolean {
  const parsed = truth.parse(text);
  return "value" in parsed && parsed.value;
}

const reasons: Readonly<Record<number, Reason>> = {
  400: "invalid_argument",
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
  408: "deadline_exceeded",
  409: "aborted",
  410: "not_found",
  412: "failed_precondition",
  413: "resource_exhausted",
  416: "out_of_range",
  429: "resource_exhausted",
  501: "unimplemented",
  502: "unavailable",
  503: "unavailable",
  504: "deadline_exceeded",
};

function reasonOf(status: number): Reason {
  if (status >= 500) return reasons[status] ?? "internal";
  return reasons[status] ?? (status >= 400 ? "invalid_argument" : "failed_precondition");
}

/** 429 is said before anything is done; a 5xx, or 408, may come after it was. */
function effectOf(status: number): Effect {
  if (status === 429) return "unsent";
  return status >= 500 || status === 408 ? "ambiguous" : "rejected";
}

/** Milliseconds, of `Retry-After` in seconds or as a date. */
function retryAfterOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const milliseconds = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : undefined;
}
