import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Answer, Call } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { sendAnswer, statusCodes } from "./answers.ts";
import { statusFailure } from "./failures.ts";
import type { CreateRequest, createFields, rocketmqFields } from "./fields.ts";
import { sendRequest, typeOf } from "./requests.ts";
import type { Outgoing, Queue } from "./requests.ts";
import type { Routes } from "./routes.ts";
import { resourceOf, topicName, topicsOf } from "./settings.ts";

type CreateCall = Call<typeof rocketmqFields, typeof createFields>;
type Target = { readonly topic: string; readonly tag: string };

const nothing = new Uint8Array();
/** As Dapr's component has it. Milliseconds. */
const patience = 30_000;

/** Sends one message to the topic that the call names, else to each of the component's. Throws a `BindingError`. */
export async function create(routes: Routes, call: CreateCall): Promise<Answer> {
  const { metadata, request, signal, data = nothing } = call;
  const named = request["rocketmq-topic"];
  const targets: readonly Target[] = named
    ? [{ topic: topicName(named), tag: request["rocketmq-tag"] ?? "" }]
    : topicsOf(metadata).map(({ name, expression }) => ({
        topic: name,
        tag: expression === "*" ? "" : expression,
      }));
  if (targets.length === 0)
    throw invalid("neither the call has rocketmq-topic nor the component topics");
  const messages = targets.map(({ topic, tag }) => messageTo(call, topic, tag, data));
  const ids: string[] = [];
  for (const message of messages) {
    try {
      ids.push(await send(routes, message, signal));
    } catch (error) {
      const failure = BindingError.from(error, "internal");
      if (ids.length === 0) throw failure;
      // Others have theirs: all once more would be one too many for those.
      const { reason, systemCode } = failure;
      const text = `${failure.message}, after it was sent to ${ids.length} of ${messages.length} topics`;
      throw new BindingError(reason, text, { effect: "ambiguous", systemCode, cause: failure });
    }
  }
  return { metadata: { "rocketmq-message-id": ids.join(",") } };
}

async function send(routes: Routes, message: Outgoing, signal: AbortSignal): Promise<string> {
  const { name } = message.topic;
  const what = `binding-rocketmq: send to ${name} failed`;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(patience)]);
  const { queue, client } = await routes.toSend(message.topic, message.group, limit);
  checkType(message, queue);
  const options = { what, signal: limit, timeout: patience };
  const answer = await client.call("SendMessage", sendRequest(message, queue.id), options, true);
  const { status, id } = sendAnswer(answer);
  if (status.code === statusCodes.ok) return id;
  // The topic may be elsewhere by now.
  routes.forget(message.topic);
  throw statusFailure(status, what);
}

function checkType(message: Outgoing, { accepts }: Queue): void {
  const type = typeOf(message);
  if (accepts.length === 0 || accepts.includes(type) || message.group === "") return;
  throw invalid(
    `the topic ${message.topic.name} is not of the type FIFO, and takes no rocketmq-message-group`,
  );
}

function messageTo(call: CreateCall, topic: string, tag: string, body: Uint8Array): Outgoing {
  const { metadata, request, properties } = call;
  const group = request["rocketmq-message-group"] ?? "";
  const after = request["rocketmq-deliver-after"];
  if (group !== "" && after !== undefined)
    throw invalid("a message has rocketmq-message-group or rocketmq-deliver-after, not both");
  if (body.length === 0) throw invalid("RocketMQ has no messages without a body: there is no data");
  return {
    topic: resourceOf(metadata, topic),
    id: messageId(),
    body,
    properties: propertiesOf(request),
    tag: part("tag", tag),
    keys: (request["rocketmq-key"] ?? "")
      .split(" ")
      .filter((key) => key !== "")
      .map((key) => part("key", key)),
    group: part("message group", group),
    deliverAt: after === undefined ? undefined : Date.now() + after,
    bornHost: hostname(),
    trace: properties["traceparent"] || undefined,
  };
}

/** The brokers separate properties by control characters, and the tags of subscriptions by `|`. */
function part(what: string, text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\u0000-\u001F\u007F]/.test(text) || !text.isWellFormed() || text.length > 1_024)
    throw invalid(`the ${what} has control characters, half of a character, or more than 1,024`);
  if (what === "tag" && text.includes("|")) throw invalid("a tag has no |");
  return text;
}

function propertiesOf({ properties }: CreateRequest): readonly (readonly [string, string])[] {
  let size = 0;
  const list = [...properties].map(([name, value]) => {
    if (name === "" || reserved.has(name))
      throw invalid(`${JSON.stringify(name.slice(0, 80))} is no name of a property`);
    size += name.length + value.length;
    return [part("name of a property", name), part("value of a property", value)] as const;
  });
  if (size > mostProperties)
    throw invalid(`the properties are larger than ${mostProperties} characters`);
  return list;
}

const mostProperties = 16 * 1024;

/** What the brokers keep of their own among the properties. */
const reserved = new Set([
  ...["KEYS", "TAGS", "WAIT", "DELAY", "RETRY_TOPIC", "REAL_TOPIC", "REAL_QID", "TRAN_MSG"],
  ...["PGROUP", "MIN_OFFSET", "MAX_OFFSET", "BUYER_ID", "ORIGIN_MESSAGE_ID", "TRANSFER_FLAG"],
  ...["CORRECTION_FLAG", "MQ2_FLAG", "RECONSUME_TIME", "MSG_REGION", "TRACE_ON", "UNIQ_KEY"],
  ...["MAX_RECONSUME_TIMES", "CONSUME_START_TIME", "POP_CK", "POP_CK_OFFSET", "1ST_POP_TIME"],
  ...["TRAN_PREPARED_QUEUE_OFFSET", "DUP_INFO", "TIMER_DELAY_SEC", "TIMER_DELIVER_MS"],
  ...["TIMER_DELAY_MS", "TIMER_ENQUEUE_MS", "TIMER_DEQUEUE_MS", "TIMER_ROLL_TIMES"],
  ...["TIMER_OUT_MS", "TIMER_DEL_UNIQKEY", "CLUSTER", "INSTANCE_ID", "__SHARDINGKEY"],
  ...["EXTEND_UNIQ_INFO", "INNER_NUM", "INNER_BASE", "BORN_HOST", "BORN_TIMESTAMP"],
  ...[
    "CORRELATION_ID",
    "REPLY_TO_CLIENT",
    "TTL",
    "PUSH_REPLY_TIME",
    "MSG_TYPE",
    "DLQ_ORIGIN_TOPIC",
  ],
  ...["DLQ_ORIGIN_MESSAGE_ID", "CHECK_IMMUNITY_TIME_IN_SECONDS", "TRANSACTION_CHECK_TIMES"],
]);

/** As RocketMQ 5 has them: `01` and 32 hexadecimal digits. */
function messageId(): string {
  return `01${randomBytes(16).toString("hex").toUpperCase()}`;
}

function invalid(text: string): BindingError {
  return new BindingError("invalid_argument", `binding-rocketmq: ${text}`);
}
