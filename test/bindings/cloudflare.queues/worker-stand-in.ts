import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { startLoopback } from "../http/loopback-server.ts";

const pair = generateKeyPairSync("ed25519");
/** The component's key. */
const key = pair.privateKey.export({ type: "pkcs8", format: "pem" });
const publicKey = createPublicKey(pair.privateKey);

export const worker = { workerName: "shop-queues", queueName: "orders", key } as const;

/**
 * A stand-in for the worker that Dapr has for queues, written from its HTTP interface: `/.well-known/dapr/info` and
 * `/queues/NAME`. It checks the token: EdDSA, the audience, the issuer and that it is still good.
 */
export async function startWorker() {
  const messages: string[] = [];
  const state = { status: 0, info: { version: "20221219", queues: ["orders"] } as object };
  const server = await startLoopback(({ method, url, headers, body }, response) => {
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? "")?.[1] ?? "";
    if (!isGood(token)) return void response.writeHead(401).end("Unauthorized");
    if (method === "GET" && url === "/base/.well-known/dapr/info")
      return void response.end(JSON.stringify(state.info));
    if (state.status !== 0) return void response.writeHead(state.status).end();
    if (method !== "POST" || url !== "/base/queues/orders")
      return void response.writeHead(404).end("Not found");
    messages.push(body.toString());
    return void response.writeHead(201).end();
  });
  return Object.assign(server, { messages, state, workerUrl: `${server.url}/base` });
}

function isGood(token: string): boolean {
  const [head = "", claims = "", signature = ""] = token.split(".");
  const read = (part: string): Record<string, unknown> =>
    JSON.parse(Buffer.from(part, "base64url").toString()) as Record<string, unknown>;
  const signed = Buffer.from(`${head}.${claims}`);
  if (!verify(null, signed, publicKey, Buffer.from(signature, "base64url"))) return false;
  const { aud, iss, iat, exp } = read(claims);
  const now = Date.now() / 1000;
  const isNow = Number(iat) <= now && Number(exp) > now && Number(exp) - Number(iat) <= 60;
  return (
    read(head)["alg"] === "EdDSA" && aud === "shop-queues" && iss === "dapr.io/cloudflare" && isNow
  );
}
