import { generateKeyPairSync } from "node:crypto";
import { createServer, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { RequestListener } from "node:http";
import type { Server } from "node:net";
import { decodeProtectedHeader, errors, jwtVerify } from "jose";
import { startLoopback } from "../bindings/http/loopback-server.ts";

export const keyId = "ABC123DEFG";
export const teamId = "DEF123GHIJ";
const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const privateKey = pair.privateKey.export({ format: "pem", type: "pkcs8" });
export const deviceToken = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";
/** A device whose app is gone. */
export const unregistered = "ff".repeat(32);

/** The metadata of a component with the stand-in's key. */
export const apnsLogin = { "key-id": keyId, "team-id": teamId, "private-key": privateKey };

type Notification = {
  readonly device: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

const pushTypes = new Set(
  "alert background controls location voip complication fileprovider mdm liveactivity pushtotalk widgets".split(
    " ",
  ),
);

/** Serves HTTP/2 in clear text. */
const cleartext = (listener: RequestListener): Server => createServer(asHttp2(listener));

/** The listener of an HTTP server for one of HTTP/2, whose requests and responses have what it uses. */
export function asHttp2(
  listener: RequestListener,
): (request: Http2ServerRequest, response: Http2ServerResponse) => void {
  return listener as unknown as (
    request: Http2ServerRequest,
    response: Http2ServerResponse,
  ) => void;
}

/**
 * A stand-in for the Apple Push Notification service (`POST /3/device/TOKEN` over HTTP/2), written from Apple's pages on
 * sending notifications, on tokens of a provider and on the responses: it checks the signature, the key's id, the
 * team, the age of a token and how often it changes, the path, the headers and the size. `listen`: see
 * {@link startLoopback}.
 */
export async function startApns(...[create = cleartext, scheme = "http"]: ListenOptions) {
  const sent: Notification[] = [];
  const tokens: string[] = [];
  const state = {
    /** Answered in place of what Apple would. */
    ...{ status: 0, body: "" },
    /** Refuses each notification that it would take with what it was sent. */
    echo: false,
    /** Ends the connection in place of an answer. */
    hangUp: false,
  };
  let changedAt = Number.NEGATIVE_INFINITY;

  async function judge(authorization: string | undefined): Promise<[number, string] | undefined> {
    const token = /^bearer (.+)$/i.exec(authorization ?? "")?.[1];
    if (token === undefined) return [403, "MissingProviderToken"];
    try {
      if (decodeProtectedHeader(token).kid !== keyId) return [403, "InvalidProviderToken"];
      const options = { issuer: teamId, algorithms: ["ES256"] };
      const { payload } = await jwtVerify(token, pair.publicKey, options);
      const age = Date.now() / 1000 - (payload.iat ?? 0);
      if (age > 3600 || age < -60) return [403, "ExpiredProviderToken"];
    } catch (error) {
      if (error instanceof errors.JOSEError) return [403, "InvalidProviderToken"];
      throw error;
    }
    if (token === tokens.at(-1)) return undefined;
    if (Date.now() - changedAt < 20 * 60_000) return [429, "TooManyProviderTokenUpdates"];
    changedAt = Date.now();
    tokens.push(token);
    return undefined;
  }

  const server = await startLoopback(
    ({ method, url = "", headers, body }, response) => {
      const named = Object.entries(headers).flatMap(([name, value]) =>
        name.startsWith("apns-") && typeof value === "string" ? [[name, value] as const] : [],
      );
      const own: Readonly<Record<string, string>> = Object.fromEntries(
        named.toSorted(([one], [other]) => (one < other ? -1 : 1)),
      );
      const id = own["apns-id"] ?? "5A1B6C2D-0000-4000-8000-000000000001";
      const refuse = (status: number, reason: string, more: object = {}): void =>
        void response.writeHead(status, { "apns-id": id }).end(JSON.stringify({ reason, ...more }));
      if (state.hangUp) return void response.socket?.destroy();
      void judge(headers.authorization).then((refused) => {
        if (state.status !== 0)
          return void response.writeHead(state.status, { "apns-id": id }).end(state.body);
        const device = /^\/3\/device\/([^/?]*)$/.exec(url)?.[1];
        if (device === undefined) return refuse(404, "BadPath");
        if (method !== "POST") return refuse(405, "MethodNotAllowed");
        if (refused !== undefined) return refuse(...refused);
        if (device === "") return refuse(400, "MissingDeviceToken");
        if (!/^(?:[\da-f]{2}){32,100}$/i.test(device)) return refuse(400, "BadDeviceToken");
        const wrong = wrongIn(own);
        if (wrong !== undefined) return refuse(400, wrong);
        if (body.length === 0) return refuse(400, "PayloadEmpty");
        const largest = own["apns-push-type"] === "voip" ? 5120 : 4096;
        if (body.length > largest) return refuse(413, "PayloadTooLarge");
        if (device === unregistered)
          return refuse(410, "Unregistered", { timestamp: 1_767_225_600_000 });
        // Refused with what it was sent, where that is to be seen.
        if (state.echo) return refuse(400, JSON.stringify({ device, own, body: body.toString() }));
        sent.push({ device, headers: own, body: body.toString() });
        return void response.writeHead(200, { "apns-id": id }).end();
      });
    },
    create,
    scheme,
  );
  return Object.assign(server, { sent, tokens, state });
}

type ListenOptions =
  Parameters<typeof startLoopback> extends [unknown?, ...infer Rest] ? Rest : never;

function wrongIn(headers: Readonly<Record<string, string>>): string | undefined {
  const {
    "apns-push-type": type,
    "apns-topic": topic,
    "apns-id": id,
    "apns-expiration": expiration,
    "apns-priority": priority,
    "apns-collapse-id": collapse = "",
  } = headers;
  if (type !== undefined && !pushTypes.has(type)) return "InvalidPushType";
  if (topic === undefined) return "MissingTopic";
  if (!/^[\w.-]+$/.test(topic)) return "BadTopic";
  if (id !== undefined && !/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id))
    return "BadMessageId";
  if (expiration !== undefined && !/^\d+$/.test(expiration)) return "BadExpirationDate";
  if (priority !== undefined && !/^(10|5|1)$/.test(priority)) return "BadPriority";
  return Buffer.byteLength(collapse) > 64 ? "BadCollapseId" : undefined;
}
