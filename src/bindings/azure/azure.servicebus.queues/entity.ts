import type { HttpClient } from "../../../http-client/client.ts";
import { joinPath, parseAddress } from "../../../http-client/address.ts";
import type { RequestHeaders } from "../../../http-client/headers.ts";
import { setHeader } from "../../../http-client/headers.ts";
import { failureOfStatus, isSuccess } from "../../../http-client/status.ts";
import { BindingError } from "../../../errors.ts";
import type { Credentials } from "../messaging-credentials.ts";
import type { QueueMetadata } from "./fields.ts";

const version = "2021-05";
const namespace = "http://schemas.microsoft.com/netservices/2010/10/servicebus/connect";
const largestAnswer = 64 * 1024;

/** What became of a queue that was to be there. */
export type Ensured = "made" | "there" | "denied";

/**
 * Makes the queue where it is not there, by the HTTP API of the namespace. Who may not make queues is denied, which is
 * fine: the queue may be there. Throws a `BindingError`.
 */
export async function ensureQueue(
  http: HttpClient,
  url: string,
  credentials: Credentials,
  metadata: QueueMetadata,
  signal: AbortSignal,
): Promise<Ensured> {
  const path = metadata.queueName.split("/").map(encodeURIComponent).join("/");
  const { token, type } = await credentials.claim(joinPath(url, path), signal);
  const headers: RequestHeaders = new Map();
  setHeader(headers, "Authorization", type === "jwt" ? `Bearer ${token}` : token);
  setHeader(headers, "Content-Type", "application/atom+xml");
  const { status, body } = await http.send(
    {
      method: "PUT",
      address: parseAddress(joinPath(url, `${path}?api-version=${version}`)),
      headers,
      body: Buffer.from(queueEntry(metadata)),
      maxBody: largestAnswer,
      origins: new Set<string>(),
    },
    signal,
  );
  if (isSuccess(status)) return "made";
  if (status === 409) return "there";
  if (status === 401 || status === 403) return "denied";
  const { reason } = failureOfStatus(status);
  throw new BindingError(
    reason,
    `could not create queue ${metadata.queueName}: ${detailOf(String(body)) || `status ${status}`}`,
    { effect: "unsent", systemCode: String(status) },
  );
}

/** The description of a queue; its elements have an order. */
function queueEntry(metadata: QueueMetadata): string {
  const { lockDurationInSec, defaultMessageTimeToLiveInSec } = metadata;
  const { maxDeliveryCount, autoDeleteOnIdleInSec } = metadata;
  const elements = [
    ...element("LockDuration", seconds(lockDurationInSec)),
    ...(metadata.requireSessions ? element("RequiresSession", "true") : []),
    ...element("DefaultMessageTimeToLive", seconds(defaultMessageTimeToLiveInSec)),
    ...element("MaxDeliveryCount", maxDeliveryCount),
    ...element("AutoDeleteOnIdle", seconds(autoDeleteOnIdleInSec)),
  ].join("");
  return `<entry xmlns="http://www.w3.org/2005/Atom"><content type="application/xml"><QueueDescription xmlns="${namespace}">${elements}</QueueDescription></content></entry>`;
}

function element(name: string, value: number | string | undefined): string[] {
  return value === undefined ? [] : [`<${name}>${value}</${name}>`];
}

function seconds(value: number | undefined): string | undefined {
  return value === undefined ? undefined : `PT${value}S`;
}

function detailOf(body: string): string {
  return /<Detail>([^<]*)<\/Detail>/i.exec(body)?.[1] ?? "";
}
