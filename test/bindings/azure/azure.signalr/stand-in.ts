import { createHmac } from "node:crypto";
import { startLoopback } from "../../http/loopback-server.ts";

export const accessKey = "the key of the service / with + more";

export type Sent = { readonly path: string; readonly body: string };

/**
 * A stand-in for the REST API of Azure SignalR (`/api/hubs/…/:send`, `:generateToken`), written from Microsoft's
 * reference. It checks the token: HS256 by the access key, the audience the URL of the request, and that it is still good;
 * or that `knows` a token of Entra ID.
 */
export async function startSignalr(knows: (token: string) => boolean = () => false) {
  const sent: Sent[] = [];
  const state = { status: 0 };
  const server = await startLoopback(({ method, url = "", headers, body }, response) => {
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? "")?.[1] ?? "";
    const asked = new URL(url, `http://${String(headers.host)}`);
    const refuse = (status: number, text: string): void =>
      void response.writeHead(status, { "content-type": "text/plain" }).end(text);
    if (!knows(token) && !isSigned(token, asked.href)) return refuse(401, "no valid token");
    if (state.status !== 0) return refuse(state.status, "words of the service");
    if (method === "HEAD" && /^\/api\/hubs\/[^/]+\/groups\/[^/]+$/.test(asked.pathname))
      return void response.writeHead(404).end();
    if (method !== "POST" || asked.searchParams.get("api-version") !== "2022-11-01")
      return refuse(404, "no such thing");
    if (asked.pathname.endsWith("/:generateToken")) {
      const user = asked.searchParams.get("userId") ?? "";
      return void response.end(JSON.stringify({ token: `for ${user}` }));
    }
    const match = /^\/api\/hubs\/([^/]+)\/(?:(groups|users)\/([^/]+)\/)?:send$/.exec(
      asked.pathname,
    );
    if (match === null) return refuse(404, "no such thing");
    const parts = [match[1], match[2], match[3]].filter((part) => part !== undefined);
    sent.push({ path: parts.map(decodeURIComponent).join("|"), body: body.toString() });
    return void response.writeHead(202).end();
  });
  return Object.assign(server, { sent, state });
}

function isSigned(token: string, audience: string): boolean {
  const [head = "", claims = "", signature] = token.split(".");
  const expected = createHmac("sha256", accessKey).update(`${head}.${claims}`).digest("base64url");
  if (signature !== expected) return false;
  const { aud, exp } = claimsOf(token);
  return aud === audience && Number(exp) * 1000 > Date.now();
}

/** What a token says. */
export function claimsOf(token: string): Readonly<Record<string, unknown>> {
  const [, claims = ""] = token.split(".");
  return JSON.parse(Buffer.from(claims, "base64url").toString()) as Record<string, unknown>;
}
