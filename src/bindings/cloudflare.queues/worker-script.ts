/** The version of the worker's HTTP interface. Dapr and Cufflink accept no older worker. */
export const workerVersion = 20221219;

/**
 * The module that runs at Cloudflare. Its HTTP interface is that of Dapr's worker, with the routes for key-value
 * namespaces, so that components of Dapr can share the worker.
 */
export const workerScript = `const version = "${workerVersion}";
const issuer = "dapr.io/cloudflare";
/** How much the clock of who signed a token may differ, in seconds. */
const clockSkew = 300;
const bearer = /^Bearer ([A-Za-z0-9_-]+)[.]([A-Za-z0-9_-]+)[.]([A-Za-z0-9_-]+)$/i;
const queueClasses = ["WorkerQueue", "Queue"];
const namespaceClasses = ["KvNamespace", "KVNamespace"];

function bytesOf(base64) {
  const text = atob(base64.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function membersOf(part) {
  return JSON.parse(new TextDecoder().decode(bytesOf(part)));
}

function keyOf(pem) {
  const der = bytesOf(pem.replace(/-----[A-Z ]+-----/g, ""));
  return crypto.subtle.importKey("spki", der, { name: "Ed25519" }, false, ["verify"]);
}

async function isAuthorized(request, env) {
  const [, head, claims, signature] = bearer.exec(request.headers.get("authorization") ?? "") ?? [];
  if (signature === undefined) return false;
  try {
    if (membersOf(head).alg !== "EdDSA") return false;
    const { iss, aud, exp, nbf = 0 } = membersOf(claims);
    if (iss !== issuer || ![aud].flat().includes(env.TOKEN_AUDIENCE)) return false;
    const now = Date.now() / 1000;
    if (!(exp > now - clockSkew) || !(nbf < now + clockSkew)) return false;
    const signed = new TextEncoder().encode(head + "." + claims);
    const key = await keyOf(env.PUBLIC_KEY.replace(/[\\r\\n]/g, ""));
    return await crypto.subtle.verify({ name: "Ed25519" }, key, bytesOf(signature), signed);
  } catch {
    return false;
  }
}

function isOneOf(classes, value) {
  return typeof value === "object" && value !== null && classes.includes(value.constructor?.name);
}

function boundNames(env, classes) {
  return Object.keys(env).filter((name) => isOneOf(classes, env[name]));
}

function boundTo(env, name, classes) {
  return Object.hasOwn(env, name) && isOneOf(classes, env[name]) ? env[name] : undefined;
}

function answer(status, body = "") {
  return new Response(status === 204 ? null : body, { status });
}

async function publish(request, queue) {
  await queue.send(await request.text());
  return answer(201);
}

async function keep(request, namespace, key, query) {
  if (request.method === "GET") {
    const value = await namespace.get(key, "stream");
    return value === null ? answer(404) : answer(200, value);
  }
  if (request.method === "DELETE") {
    await namespace.delete(key);
    return answer(204);
  }
  const ttl = parseInt(query.get("ttl") ?? "", 10);
  await namespace.put(key, request.body ?? "", ttl > 0 ? { expirationTtl: ttl } : {});
  return answer(201);
}

async function handle(request, env) {
  const { pathname, searchParams } = new URL(request.url);
  const { method } = request;
  if (!(await isAuthorized(request, env))) return answer(401, "Unauthorized");
  if (method === "GET" && pathname === "/.well-known/dapr/info") {
    const queues = boundNames(env, queueClasses);
    return Response.json({ version, queues, kv: boundNames(env, namespaceClasses) });
  }
  const [, route, bound = "", key = "", ...more] = pathname.split("/").map(decodeURIComponent);
  if (more.length > 0) return answer(404, "Not found");
  if (route === "queues" && method === "POST" && bound !== "" && key === "") {
    const queue = boundTo(env, bound, queueClasses);
    if (queue !== undefined) return publish(request, queue);
    return answer(412, "Worker is not bound to queue '" + bound + "'");
  }
  if (route === "kv" && ["GET", "POST", "DELETE"].includes(method) && key !== "") {
    const namespace = boundTo(env, bound, namespaceClasses);
    if (namespace !== undefined) return keep(request, namespace, key, searchParams);
    return answer(412, "Worker is not bound to KV '" + bound + "'");
  }
  return answer(404, "Not found");
}

export default { fetch: handle };
`;
