import type { Header, InboundEvent } from "../../../binding.ts";
import { checkedAttributes, checkId, messageText } from "../message-text.ts";
import type { CreateRequest } from "./fields.ts";
import type { ReceivedMessage } from "../sqs-queue.ts";

/** What a call sends. Throws a `BindingError` for what the service cannot carry. */
export function messageOf(data: Uint8Array | undefined, request: CreateRequest): object {
  const { delaySeconds, messageGroupId, messageDeduplicationId, attributes } = request;
  checkId("messageGroupId", messageGroupId);
  checkId("messageDeduplicationId", messageDeduplicationId);
  const named = checkedAttributes(attributes, "SQS").map(
    ([name, value]) => [name, { DataType: "String", StringValue: value }] as const,
  );
  return {
    MessageBody: messageText(data, "SQS"),
    ...(delaySeconds === undefined ? {} : { DelaySeconds: delaySeconds }),
    ...(messageGroupId ? { MessageGroupId: messageGroupId } : {}),
    ...(messageDeduplicationId ? { MessageDeduplicationId: messageDeduplicationId } : {}),
    ...(named.length === 0 ? {} : { MessageAttributes: Object.fromEntries(named) }),
  };
}

const attributeNames = Object.entries({
  SentTimestamp: "sentTimestamp",
  ApproximateReceiveCount: "receiveCount",
  ApproximateFirstReceiveTimestamp: "firstReceiveTimestamp",
  SenderId: "senderId",
  SequenceNumber: "sequenceNumber",
  MessageGroupId: "messageGroupId",
  MessageDeduplicationId: "messageDeduplicationId",
  DeadLetterQueueSourceArn: "deadLetterQueueSourceArn",
  AWSTraceHeader: "awsTraceHeader",
});

/** Makes a message an event. */
export function eventOf(
  message: ReceivedMessage,
  queue: { readonly name: string; readonly isFifo: boolean },
  rest: Pick<InboundEvent, "lease" | "settle">,
): InboundEvent {
  const { MessageId, Body = "", Attributes = {} } = message;
  const metadata: Record<string, string> = { queueName: queue.name, messageId: MessageId };
  for (const [name, written] of attributeNames) {
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
