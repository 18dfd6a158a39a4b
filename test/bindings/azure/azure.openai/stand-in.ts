import { startLoopback } from "../../http/loopback-server.ts";

export const apiKey = "the key of the resource";

/**
 * A stand-in for the data plane of Azure OpenAI (`/openai/deployments/…`), written from Microsoft's reference of version
 * 2024-06-01. It checks the key or the token, the version, and the members that are required.
 */
export async function startOpenai(knows: (token: string) => boolean = () => false) {
  const asked: { deployment: string; operation: string; body: Record<string, unknown> }[] = [];
  const state = { status: 0 };
  const server = await startLoopback(({ method, url = "", headers, body }, response) => {
    const answer = (status: number, value: object): void =>
      void response
        .writeHead(status, { "content-type": "application/json" })
        .end(JSON.stringify(value));
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? "")?.[1] ?? "";
    if (headers["api-key"] !== apiKey && !knows(token))
      return answer(401, { error: { code: "401", message: "Access denied due to invalid key." } });
    if (state.status !== 0)
      return answer(state.status, { error: { code: "its_code", message: "words of the service" } });
    const { pathname, searchParams } = new URL(url, "http://host");
    if (method === "GET" && pathname === "/openai/models")
      return answer(200, { object: "list", data: [{ id: "gpt-4o", object: "model" }] });
    const match =
      /^\/openai\/deployments\/([^/]+)\/(completions|chat\/completions|embeddings)$/.exec(pathname);
    if (match === null || method !== "POST" || searchParams.get("api-version") !== "2024-06-01")
      return answer(404, { error: { code: "404", message: "Resource not found" } });
    const [, deployment = "", operation = ""] = match;
    const given = JSON.parse(body.toString()) as Record<string, unknown>;
    const required = { completions: "prompt", "chat/completions": "messages", embeddings: "input" };
    if (!Array.isArray(given[required[operation as keyof typeof required]]))
      return answer(400, { error: { code: null, message: "a required member is missing" } });
    asked.push({ deployment: decodeURIComponent(deployment), operation, body: given });
    if (operation === "embeddings")
      return answer(200, { object: "list", data: [{ index: 0, embedding: [0.25, -1, 1e-7] }] });
    const choice =
      operation === "completions"
        ? { text: " there", index: 0, finish_reason: "stop" }
        : { index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "stop" };
    return answer(200, { id: "1", choices: [choice], usage: { total_tokens: 3 } });
  });
  return Object.assign(server, { asked, state });
}
