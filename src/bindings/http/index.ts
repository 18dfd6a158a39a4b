import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import type { Answer, Call, Operation } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { bool } from "../../metadata/fields.ts";
import { joinPath, parseAddress, parseOrigins } from "../../http-client/address.ts";
import { HttpClient } from "../../http-client/client.ts";
import type { Answered } from "../../http-client/exchange.ts";
import { failureOfStatus, isSuccess, retryAfterOf } from "../../http-client/status.ts";
import { examineServer } from "../../http-client/examine.ts";
import { setHeader } from "../../http-client/headers.ts";
import { within } from "../../http-client/within.ts";
import { callFields, httpFields } from "./fields.ts";
import { requestHeaders, responseMetadata } from "./headers.ts";
import type { InputMetadata } from "./page.ts";
import { startPoller } from "./poller.ts";
import { readTls } from "./tls.ts";

/**
 * Calls an HTTP server. Operations are methods; request metadata with a capital letter are headers. As an input it asks a
 * URL by a schedule, and delivers what is new in the answers.
 */
export default defineBinding({
  name: "http",
  status: "stable",
  summary: "Calls an HTTP or HTTPS server. Asks a URL by a schedule, and delivers what is new.",
  provedBy: [{ system: "Node.js HTTP", kind: "real" }],
  metadata: httpFields,

  check: (metadata, { input }) =>
    problemsOf([() => parseAddress(metadata.url), () => input && checkInput(metadata)]),

  async open({ metadata, directions, memory }) {
    parseAddress(metadata.url);
    if (directions.input) checkInput(metadata);
    const tls = await readTls({
      ca: metadata.MTLSRootCA,
      cert: metadata.MTLSClientCert,
      key: metadata.MTLSClientKey,
    });
    const { securityTokenHeader, headers } = metadata;
    return HttpClient.open(await import("undici"), {
      url: metadata.url,
      tls,
      secretHeaders: [...(securityTokenHeader ? [securityTokenHeader] : []), ...headers.keys()],
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

  inputIsOptional: true,

  guarantee: {
    returned: "is delivered again after the next poll",
    atLeastOnce: "the server lists the item until it was read",
    key: "the value at keyPath",
    shared: false,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime: "what the app has, and handled items whose checkpoint was not stored (64)",
      server: "none",
    },
  },

  read: startPoller,

  async examine(client, examination) {
    const { metadata } = examination;
    examination.omit("exists");
    const headers = requestHeaders({
      ...{ properties: {}, hasBody: false, authorization: client.home.authorization },
      ...{ tokenHeader: metadata.securityTokenHeader, token: metadata.securityToken },
    });
    await examineServer(client, headers, examination);
  },
});

/** Throws a `BindingError` for what does not go together. */
function checkInput(metadata: InputMetadata): void {
  const { schedule, interval, cursorPath, cursorHeader, cursorParameter, followLinks } = metadata;
  if (schedule !== undefined && interval !== undefined)
    throw wrong("give schedule or interval, not both");
  const sources = [cursorPath !== undefined, !!cursorHeader, followLinks].filter(Boolean).length;
  if (sources > 1) throw wrong("give one of cursorPath, cursorHeader and followLinks");
  if (cursorParameter && followLinks)
    throw wrong("cursorParameter is not used with followLinks: a link is a URL");
  if (cursorParameter && sources === 0)
    throw wrong("cursorParameter needs cursorPath or cursorHeader");
  parseOrigins(metadata.allowOrigins);
  for (const [name, value] of metadata.headers) setHeader(new Map(), name, value);
  if (metadata.allowOrigins?.length && metadata.MTLSClientCert)
    throw wrong("with MTLSClientCert, allowOrigins would show the certificate to other origins");
}

function wrong(why: string): BindingError {
  return new BindingError("invalid_argument", `the metadata of an input: ${why}`);
}

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
      ? await within(responseTimeout, "responseTimeout", call.signal, (signal) =>
          client.send(wanted, signal),
        )
      : await client.send(wanted, call.signal);
  return toAnswer(answered, call);
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
