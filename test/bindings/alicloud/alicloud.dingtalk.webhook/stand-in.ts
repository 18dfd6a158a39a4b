import { createHmac } from "node:crypto";
import { startLoopback } from "../../http/loopback-server.ts";

export const accessToken = "9a7f+/token of the robot";
export const secret = "SEC7d1e0c";

/** What each type of message must have, by DingTalk's reference. */
const required: Readonly<Record<string, readonly string[]>> = {
  text: ["content"],
  markdown: ["title", "text"],
  link: ["title", "text", "messageUrl"],
  actionCard: ["title", "text"],
  feedCard: ["links"],
};

type Message = Record<string, unknown>;

/** The answers of DingTalk's reference have status 200, whatever they say. */
export type Verdict = { readonly errcode: number; readonly errmsg: string };

/**
 * A stand-in for the webhook of a DingTalk robot, written from its reference: it knows one access token, checks the signature
 * of the time and the type of a message, and keeps what it takes.
 */
export async function startDingtalk({ signs = true } = {}) {
  const messages: Message[] = [];
  const state = {
    verdict: undefined as Verdict | undefined,
    status: 200,
    body: undefined as string | undefined,
  };
  const judge = (url: URL, body: Buffer): Verdict => {
    if (state.verdict !== undefined) return state.verdict;
    const of = (name: string): string => url.searchParams.get(name) ?? "";
    if (of("access_token") !== accessToken)
      return { errcode: 300001, errmsg: "token is not exist" };
    if (signs) {
      const time = of("timestamp");
      if (Math.abs(Date.now() - Number(time)) > 3_600_000)
        return { errcode: 310000, errmsg: "invalid timestamp" };
      const mac = createHmac("sha256", Buffer.from(secret));
      for (const part of [time, "\n", secret]) mac.update(part);
      if (of("sign") !== mac.digest("base64")) return { errcode: 310000, errmsg: "sign not match" };
    }
    const message = parse(body);
    const fields = required[String(message["msgtype"])];
    if (fields === undefined) return { errcode: 400105, errmsg: "unsupported msgtype" };
    const inner = message[String(message["msgtype"])] as Message | undefined;
    const missing = fields.find((name) => inner?.[name] === undefined);
    if (missing !== undefined) return { errcode: 40035, errmsg: `缺少参数 ${missing}` };
    messages.push(message);
    return { errcode: 0, errmsg: "ok" };
  };
  const server = await startLoopback(({ method, url = "", headers, body }, response) => {
    const at = new URL(url, "http://dingtalk");
    const isJson = headers["content-type"]?.startsWith("application/json") === true;
    if (method !== "POST" || at.pathname !== "/robot/send" || !isJson) {
      response.writeHead(404).end();
      return;
    }
    const verdict = judge(at, body);
    response.writeHead(state.status, { "content-type": "application/json" });
    response.end(state.body ?? JSON.stringify(verdict));
  });
  const webhookAt = (origin: string): string =>
    `${origin}/robot/send?access_token=${encodeURIComponent(accessToken)}`;
  return { ...server, messages, state, webhookAt, webhook: webhookAt(server.url) };
}

function parse(body: Buffer): Message {
  try {
    return JSON.parse(body.toString("utf8")) as Message;
  } catch {
    return {};
  }
}

export function textMessage(content: string): string {
  return JSON.stringify({ msgtype: "text", text: { content } });
}

/** The headers of a message that DingTalk sends, as its reference has them. */
export function outgoingHeaders(key: string, time = Date.now()): Record<string, string> {
  const sign = createHmac("sha256", key).update(`${time}\n${key}`).digest("base64");
  return { "content-type": "application/json; charset=utf-8", timestamp: `${time}`, sign };
}

/** A message to a robot, as DingTalk's reference has it. */
export function outgoingMessage(content: string, msgId = "msg0xxxxx"): string {
  return JSON.stringify({
    ...{ conversationId: "cid", msgId, senderNick: "杨", conversationType: "2", msgtype: "text" },
    ...{ createAt: 1613630252678, text: { content } },
  });
}
