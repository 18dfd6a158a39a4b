import { BindingError } from "../../../errors.ts";
import type { Header, InboundEvent } from "../../../binding.ts";
import type { CreateRequest } from "./fields.ts";
import type { ReceivedMessage } from "./queue.ts";

/** What a call sends. Throws a `BindingError` for what the service cannot carry. */
export function messageOf(data: Uint8Array | undefined, request: CreateRequest): object {
  const { delaySeconds, messageGroupId, messageDeduplicationId, attributes } = request;
  const named = [...attributes].map(([name, value]) => {
    if (!/^[\w.-]{1,256}$/.test(name))
      throw refused(
        `the attribute ${JSON.stringify(name)} is no name: letters, digits, "_-." only`,
      );
    checkText(value, `the attribute ${name}`);
    return [name, { DataType: "String", StringValue: value }] as const;
  });
  return {
    MessageBody: textOf(data ?? new Uint8Array()),
    ...(delaySeconds === undefined ? {} : { DelaySeconds: delaySeconds }),
    ...(messageGroupId ? { MessageGroupId: messageGroupId } : {}),
    ...(messageDeduplicationId ? { MessageDeduplicationId: messageDeduplicationId } : {}),
    ...(named.length === 0 ? {} : { MessageAttributes: Object.fromEntries(named) }),
  };
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function textOf(data: Uint8Array): string {
  let text: string;
  try {
    text = decoder.decode(data);
  } catch {
    throw refused("the data is not UTF-8, and SQS carries nothing but text; encode it in base64");
  }
  checkText(text, "the data");
  return text;
}

/** The service refuses other characters; what it did with them would be its own business. */
function checkText(text: string, what: string): void {
  // oxlint-disable-next-line no-control-regex -- the very characters that are refused
  const wrong = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.exec(text);
  if (wrong !== null)
    throw refused(`${what} has a character that SQS does not carry, at ${wrong.index}`);
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", why);
}

const attributeNames: Readonly<Record<string, string>> = {
  SentTimestamp: "sentTimestamp",
  ApproximateReceiveCount: "receiveCount",
  ApproximateFirstReceiveTimestamp: "firstReceiveTimestamp",
  SenderId: "senderId",
  SequenceNumber: "sequenceNumber",
  MessageGroupId: "messageGroupId",
  MessageDeduplicationId: "messageDeduplicationId",
  DeadLetterQueueSourceArn: "deadLetterQueueSourceArn",
  AWSTraceHeader: "awsTraceHeader",
};

/** Makes a message an event. */
export function eventOf(
  message: ReceivedMessage,
  queue: { readonly name: string; readonly isFifo: boolean },
  rest: Pick<InboundEvent, "lease" | "settle">,
): InboundEvent {
  const { MessageId, Body = "", Attributes = {} } = message;
  const metadata: Record<string, string> = { queueName: queue.name, messageId: MessageId };
  for (const [name, written] of Object.entries(attributeNames)) {
    const value = Attributes[name];
    if (value !== undefined) metadata[written] = value;
  }
  const count = Number(Attributes["ApproximateReceiveCount"] ?? Number.NaN);
  return {
    data: Buffer.from(Body),
    metadata,
    headers: headersOf(message),
    key: queue.isFifo ? Attributes["MessageGroupId"] : undefined,
    id: MessageId,
    ...(Number.isSafeInteger(count) ? { attempt: count, redelivered: count > 1 } : {}),
    ...rest,
  };
}

/** The message's attributes: texts and numbers as UTF-8, bytes as they are. */
function headersOf({ MessageAttributes = {} }: ReceivedMessage): Header[] {
  return Object.entries(MessageAttributes).map(([name, { StringValue, BinaryValue }]) => ({
    name,
    value:
      StringValue === undefined
        ? Buffer.from(BinaryValue ?? "", "base64")
        : Buffer.from(StringValue),
  }));
}
