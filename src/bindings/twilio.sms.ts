import { STATUS_CODES } from "node:http";
import { defineBinding } from "../binding.ts";
import { boundedText } from "../memory/bounded-text.ts";
import { BindingError, messageOf } from "../errors.ts";
import type { Effect } from "../errors.ts";
import { examineByRequest } from "../examine-by-request.ts";
import { Dispatchers } from "../http-client/dispatchers.ts";
import { jsonMembers } from "../http-client/service-client.ts";
import { failureOfStatus, isSuccess, retryAfterOf } from "../http-client/status.ts";
import { duration, string } from "../metadata/fields.ts";
import { longestTimer } from "../metadata/duration.ts";

/** Sends text messages through Twilio. */
export default defineBinding({
  name: "twilio.sms",
  status: "stable",
  summary: "Sends SMS through Twilio.",
  provedBy: [{ system: "Twilio", kind: "stand-in" }],

  metadata: {
    accountSid: string({
      description: "The Twilio account's id.",
      required: true,
      example: "AC0123456789abcdef",
    }),
    authToken: string({
      description: "The account's auth token.",
      required: true,
      sensitive: true,
    }),
    fromNumber: string({
      description: "The number to send from.",
      required: true,
      example: "+15551230001",
    }),
    toNumber: string({
      description: "The number to send to. Without it each call must name one.",
      example: "+15551230002",
    }),
    timeout: duration({
      description: "Maximum duration of a call to Twilio.",
      default: "5m",
      positive: true,
    }),
    apiUrl: string({
      description: "The address of Twilio's API, for a region or a test. Dapr has no such field.",
      default: "https://api.twilio.com",
      example: "https://api.dublin.ie1.twilio.com",
    }),
  },

  async open({ metadata }) {
    const undici = await import("undici");
    if (!/^https?:\/\/[^/?#]+\/?$/i.test(metadata.apiUrl) || !URL.canParse(metadata.apiUrl)) {
      throw new BindingError(
        "invalid_argument",
        "apiUrl must be https:// and a host, without a path",
      );
    }
    const dispatchers = new Dispatchers(undici, { connections: mostConnections });
    const dispatcher = dispatchers.of(new URL(metadata.apiUrl).origin);
    return {
      send: (url: URL, headers: Record<string, string>, body: string, signal: AbortSignal) =>
        undici.request(url, { method: "POST", headers, body, signal, dispatcher }),
      get: (url: URL, headers: Record<string, string>, signal: AbortSignal) =>
        undici.request(url, { headers, signal, dispatcher }),
      [Symbol.asyncDispose]: () => dispatchers.destroy(),
    };
  },

  async examine({ get }, questions) {
    const { metadata, signal, ask, unknown, omit } = questions;
    const { accountSid, apiUrl } = metadata;
    omit("exists");
    let status: string | undefined;
    const request = async (): Promise<void> => {
      const path = `/2010-04-01/Accounts/${encodeURIComponent(accountSid)}.json`;
      try {
        const headers = { accept: "application/json", authorization: basicOf(metadata) };
        const response = await get(new URL(path, apiUrl), headers, signal);
        const text = await boundedText(response.body, largestRefusal);
        const { statusCode } = response;
        if (!isSuccess(statusCode))
          throw refusal(statusCode, response.headers["retry-after"], text);
        const { status: said } = jsonMembers(Buffer.from(text));
        status = typeof said === "string" ? said : undefined;
      } catch (error) {
        throw failure(error, signal, signal);
      }
    };
    const reason = await examineByRequest(questions, request, [["authenticated", ""]]);
    if (reason !== undefined) return;
    if (status === "active" || status === undefined)
      return unknown("may write", "", "only sending an SMS tells");
    await ask("may write", "", () => {
      throw new BindingError("permission_denied", `the account is ${status}; see Twilio's console`);
    });
  },

  operations: {
    create: {
      description: "Sends the data as one SMS.",
      request: {
        toNumber: string({
          description: "The number to send to, if the component names none.",
          example: "+15551230002",
        }),
      },
      async invoke({ send }, { data, encoding, request, metadata, signal }) {
        const to = metadata.toNumber || request.toNumber;
        if (!to) throw new BindingError("invalid_argument", 'twilio missing "toNumber" field');
        const { accountSid, fromNumber, timeout, apiUrl } = metadata;
        const url = new URL(
          `/2010-04-01/Accounts/${encodeURIComponent(accountSid)}/Messages.json`,
          apiUrl,
        );
        const form = new URLSearchParams({
          To: to,
          From: fromNumber,
          Body: messageText(data, encoding),
        });
        const headers = {
          accept: "application/json",
          "content-type": "application/x-www-form-urlencoded",
          authorization: basicOf(metadata),
        };
        const limit = AbortSignal.timeout(Math.min(timeout, longestTimer));
        try {
          const response = await send(
            url,
            headers,
            form.toString(),
            AbortSignal.any([signal, limit]),
          );
          const { statusCode: status } = response;
          if (isSuccess(status)) {
            await response.body.dump();
            return;
          }
          // A status is told, whatever is wrong with its text.
          const text = await boundedText(response.body, largestRefusal).catch(() => "");
          throw refusal(status, response.headers["retry-after"], text);
        } catch (error) {
          throw failure(error, signal, limit);
        }
      },
    },
  },
});

/**
 * The text to send. A JSON string is sent as its text, since Dapr's clients quote what they send;
 * over HTTP null is no text. All else is sent as it came.
 */
function messageText(data: Uint8Array | undefined, encoding: "bytes" | "json"): string {
  const text = data === undefined ? "" : Buffer.from(data).toString("utf8");
  if (encoding === "json" && text.trim() === "null") return "";
  if (!/^\s*"/.test(text)) return text;
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "string" ? parsed : text;
  } catch {
    return text;
  }
}

function basicOf({
  accountSid,
  authToken,
}: {
  readonly accountSid: string;
  readonly authToken: string;
}): string {
  return `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString("base64")}`;
}

/** Of a refusal, in bytes. */
const largestRefusal = 64 * 1024;
/** The most connections to Twilio; further calls wait, within their timeout. */
const mostConnections = 256;

/** What Twilio answered in place of 2xx, with its own code and words. */
function refusal(
  status: number,
  retryAfter: string | string[] | undefined,
  body: string,
): BindingError {
  let said: unknown;
  try {
    said = JSON.parse(body);
  } catch {
    said = undefined;
  }
  const fields = typeof said === "object" && said !== null ? said : {};
  const words =
    "message" in fields && typeof fields.message === "string" ? `: ${fields.message}` : "";
  const code = "code" in fields && typeof fields.code === "number" ? fields.code : status;
  const after = retryAfterOf(retryAfter);
  const { reason, effect } = failureOfStatus(status);
  const text = `error from Twilio (${status}): ${status} ${STATUS_CODES[status] ?? ""}${words}`;
  return new BindingError(reason, text, {
    ...{ effect, systemCode: String(code) },
    ...(after === undefined ? {} : { retryAfter: after }),
  });
}

/** Failures of connecting: nothing was sent. */
const unconnected =
  /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_\w+|\w*(CERT|SIGNED|VERIFY)\w*)$/;

function failure(thrown: unknown, caller: AbortSignal, limit: AbortSignal): BindingError {
  if (thrown instanceof BindingError) return thrown;
  if (caller.aborted) {
    const late = caller.reason instanceof Error && caller.reason.name === "TimeoutError";
    return new BindingError(
      late ? "deadline_exceeded" : "cancelled",
      `Twilio: ${late ? "context deadline exceeded" : "context canceled"}`,
      { effect: "ambiguous" },
    );
  }
  if (limit.aborted) {
    return new BindingError("deadline_exceeded", "Twilio did not answer within timeout", {
      effect: "ambiguous",
    });
  }
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : undefined;
  const effect: Effect = code !== undefined && unconnected.test(code) ? "unsent" : "ambiguous";
  return new BindingError("unavailable", `Twilio cannot be reached: ${messageOf(thrown)}`, {
    effect,
    systemCode: code,
  });
}
