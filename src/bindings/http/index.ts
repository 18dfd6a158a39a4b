import { defineBinding } from "../../binding.ts";
import type { Answer, Call, Operation } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { longestTimer } from "../../metadata/duration.ts";
import { bool } from "../../metadata/fields.ts";
import { joinPath, parseAddress } from "../../http-client/address.ts";
import { HttpClient } from "../../http-client/client.ts";
import type { Answered } from "../../http-client/exchange.ts";
import { failureOfStatus, isSuccess, retryAfterOf } from "../../http-client/status.ts";
import { callFields, httpFields } from "./fields.ts";
import { requestHeaders, responseMetadata } from "./headers.ts";
import { readTls } from "./tls.ts";

/** Calls an HTTP server. Operations are methods; request metadata with a capital letter are headers. */
export default defineBinding({
  name: "http",
  status: "stable",
  summary: "Calls an HTTP or HTTPS server.",
  provedBy: [{ system: "Node.js HTTP", kind: "real" }],
  metadata: httpFields,

  async open({ metadata, memory }) {
    parseAddress(metadata.url);
    const tls = await readTls({
      ca: metadata.MTLSRootCA,
      cert: metadata.MTLSClientCert,
      key: metadata.MTLSClientKey,
    });
    const { securityTokenHeader } = metadata;
    return HttpClient.open(await import("undici"), {
      url: metadata.url,
      tls,
      secretHeaders: securityTokenHeader ? [securityTokenHeader] : [],
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
  if (!strict || isSuccess(status)) return { data: body, metadata };
  const retryAfter = retryAfterOf(headers["retry-after"]);
  const { reason, effect } = failureOfStatus(status);
  throw new BindingError(reason, `received status code ${status}`, {
    effect,
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
