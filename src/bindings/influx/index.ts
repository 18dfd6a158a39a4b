import { defineBinding } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { examineByRequest } from "../../examine-by-request.ts";
import { joinPath, parseAddress } from "../../http-client/address.ts";
import type { Address } from "../../http-client/address.ts";
import { HttpClient } from "../../http-client/client.ts";
import type { Answered } from "../../http-client/exchange.ts";
import { setHeader, userAgent } from "../../http-client/headers.ts";
import type { RequestHeaders } from "../../http-client/headers.ts";
import { prefixed } from "../../http-client/prefixed.ts";
import { sentSecrets } from "../../http-client/sent-secrets.ts";
import { jsonMembers } from "../../http-client/service-client.ts";
import { failureOfStatus, isSuccess, retryAfterOf } from "../../http-client/status.ts";
import { influxFields, queryFields } from "./fields.ts";
import { lineOf } from "./line.ts";

/** Further calls wait, in their order and within their deadlines. */
const mostConnections = 512;
/** Of an answer to a write, in bytes: a few words when it is refused. */
const largestWriteAnswer = 64 * 1024;
/** The most characters of a server's message that are told. */
const longestMessage = 4096;
/** What Dapr says. */
const cannotWrite = "influx error: Cannot write point";
const cannotQuery = "do query influx err";

/** Writes points to InfluxDB 2 and runs Flux queries, by its HTTP API. */
export default defineBinding({
  name: "influx",
  status: "beta",
  summary: "Writes points to InfluxDB and runs Flux queries.",
  provedBy: [{ system: "InfluxDB", kind: "stand-in" }],
  metadata: influxFields,

  async open({ metadata: { url, token, org, bucket }, memory }) {
    if (/[?#]/.test(url)) {
      throw new BindingError("invalid_argument", "url must have no query and no fragment");
    }
    const http = HttpClient.open(await import("undici"), {
      ...{ url, memory, maxConnections: mostConnections },
    });
    const query = new URLSearchParams({ org }).toString();
    const write = new URLSearchParams({ bucket, org, precision: "ns" }).toString();
    const found = new URLSearchParams({ name: bucket, org }).toString();
    requestHeaders(token, "text/plain; charset=utf-8", "application/json");
    return {
      http,
      query: parseAddress(joinPath(url, `api/v2/query?${query}`)),
      write: parseAddress(joinPath(url, `api/v2/write?${write}`)),
      found: parseAddress(joinPath(url, `api/v2/buckets?${found}`)),
      [Symbol.asyncDispose]: () => http[Symbol.asyncDispose](),
    };
  },

  async examine({ http, found }, questions) {
    const { metadata, signal, ask, unknown } = questions;
    const { token, bucket } = metadata;
    let isListed = false;
    const request = async (): Promise<void> => {
      const headers = requestHeaders(token, undefined, "application/json");
      const limits = { body: undefined, maxBody: largestWriteAnswer };
      const answered = await http.send(
        { method: "GET", address: found, headers, ...limits },
        signal,
      );
      if (!isSuccess(answered.status)) throw failure("influx error: Cannot list", answered, token);
      const { buckets } = jsonMembers(answered.body);
      isListed = Array.isArray(buckets) && buckets.length > 0;
    };
    const reason = await examineByRequest(questions, request, [["authenticated", ""]]);
    if (reason === "unauthenticated") return;
    const subject = `bucket ${bucket}`;
    if (isListed) await ask("exists", subject, () => {});
    else unknown("exists", subject, "the token sees none: it may not read it, or it is not there");
    unknown("may write", subject, "only writing a point tells");
  },

  operations: {
    create: {
      description:
        "Writes one point. The data are a JSON object with the texts `measurement`, `tags` and `values`, in InfluxDB's line protocol.",
      request: {},
      async invoke({ http, write }, { data, metadata: { token }, signal }) {
        const line = lineOf(data);
        const headers = requestHeaders(token, "text/plain; charset=utf-8", "application/json");
        const wanted = post(write, headers, line, largestWriteAnswer);
        const answered = await prefixed(`${cannotWrite}: `, http.send(wanted, signal));
        if (!isSuccess(answered.status)) throw failure(cannotWrite, answered, token);
      },
    },
    query: {
      description: "Runs a Flux query and answers annotated CSV.",
      request: queryFields,
      async invoke(
        { http, query },
        { request: { raw }, metadata: { token, maxResponseBodySize }, signal },
      ) {
        if (!raw) throw new BindingError("invalid_argument", "required metadata not set: raw");
        const headers = requestHeaders(token, "application/json; charset=utf-8", "application/csv");
        const body = JSON.stringify({ dialect, query: raw, type: "flux" });
        const wanted = post(query, headers, body, maxResponseBodySize);
        const answered = await prefixed(`${cannotQuery}: `, http.send(wanted, signal));
        if (!isSuccess(answered.status)) throw failure(cannotQuery, answered, token);
        if (answered.cut) {
          const text = `${cannotQuery}: the answer is larger than maxResponseBodySize`;
          throw new BindingError("resource_exhausted", text, { effect: "ambiguous" });
        }
        return { data: answered.body, metadata: { operation: "query", raw } };
      },
    },
  },
});

/** How a query's answer is written: with the three lines of annotations, and a header. */
const dialect = {
  annotations: ["datatype", "group", "default"],
  delimiter: ",",
  header: true,
} as const;

function post(address: Address, headers: RequestHeaders, text: string, maxBody: number) {
  return { method: "POST", address, headers, body: Buffer.from(text), maxBody };
}

/** Throws a `BindingError` for a token that no header can carry. */
function requestHeaders(
  token: string,
  contentType: string | undefined,
  accept: string,
): RequestHeaders {
  const headers: RequestHeaders = new Map([["user-agent", userAgent]]);
  if (contentType !== undefined) setHeader(headers, "content-type", contentType);
  setHeader(headers, "accept", accept);
  setHeader(headers, "authorization", `Token ${token}`);
  return headers;
}

/** What the server answered in place of 2xx, with its own code and words. */
function failure(what: string, { status, headers, body }: Answered, token: string): BindingError {
  const { code, message } = said(body);
  const words = [code ?? String(status), message].filter((text) => text !== undefined).join(": ");
  const shown = sentSecrets([token])(words).slice(0, longestMessage).toWellFormed();
  const retryAfter = retryAfterOf(headers["retry-after"]);
  const { reason, effect } = failureOfStatus(status);
  return new BindingError(reason, `${what}: ${shown}`, {
    ...{ effect, systemCode: String(status) },
    ...(retryAfter === undefined ? {} : { retryAfter }),
  });
}

function said(body: Buffer): { code: string | undefined; message: string | undefined } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString("utf8"));
  } catch {
    parsed = undefined;
  }
  const fields = typeof parsed === "object" && parsed !== null ? parsed : {};
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
  return {
    code: "code" in fields ? text(fields.code) : undefined,
    message: "message" in fields ? text(fields.message) : undefined,
  };
}
