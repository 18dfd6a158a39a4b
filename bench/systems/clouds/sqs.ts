import { type MessageStore, type StoredMessage, storeOf } from "./message-store.ts";

type Input = {
  readonly QueueName?: string;
  readonly QueueUrl?: string;
  readonly MessageBody?: string;
  readonly MaxNumberOfMessages?: number;
  readonly WaitTimeSeconds?: number;
  readonly ReceiptHandle?: string;
  readonly Entries?: readonly Entry[];
};

type Entry = {
  readonly Id: string;
  readonly ReceiptHandle: string;
  readonly VisibilityTimeout?: number;
};

const account = "000000000000";

/** What SQS answers to an operation of its JSON protocol, as text; `undefined`: it has no such one. */
export async function answerSqs(
  operation: string,
  body: Buffer,
  origin: string,
): Promise<string | undefined> {
  const input = JSON.parse(body.toString()) as Input;
  if (operation === "GetQueueUrl")
    return JSON.stringify({ QueueUrl: `${origin}/${account}/${input.QueueName ?? ""}` });
  const store = storeOf((input.QueueUrl ?? "").replace(/^.*\//, ""));
  if (operation === "SendMessage") {
    const { id, md5 } = store.add(Buffer.from(input.MessageBody ?? ""));
    return `{"MessageId":"${id}","MD5OfMessageBody":"${md5}"}`;
  }
  if (operation === "ReceiveMessage") {
    const wait = (input.WaitTimeSeconds ?? 0) * 1000;
    const messages = await store.takeWithin(input.MaxNumberOfMessages ?? 1, wait);
    return `{"Messages":[${messages.map(written).join()}]}`;
  }
  if (operation === "DeleteMessage") {
    store.delete(input.ReceiptHandle ?? "");
    return "{}";
  }
  const { Entries = [] } = input;
  if (operation === "DeleteMessageBatch")
    for (const one of Entries) store.delete(one.ReceiptHandle);
  else if (operation === "ChangeMessageVisibilityBatch")
    for (const one of Entries) hide(store, one);
  else if (operation === "GetQueueAttributes")
    return `{"Attributes":{"ApproximateNumberOfMessages":"${store.size}"}}`;
  else return undefined;
  return JSON.stringify({ Successful: Entries.map(({ Id }) => ({ Id })), Failed: [] });
}

function hide(store: MessageStore, { ReceiptHandle, VisibilityTimeout }: Entry): void {
  if (VisibilityTimeout === 0) store.giveBack(ReceiptHandle);
}

function written({ id, payload, md5 }: StoredMessage): string {
  const attributes =
    '{"SenderId":"AIDA","SentTimestamp":"1700000000000","ApproximateReceiveCount":"1","ApproximateFirstReceiveTimestamp":"1700000000000"}';
  const body = payload.toString("latin1");
  return `{"MessageId":"${id}","ReceiptHandle":"${id}","MD5OfBody":"${md5}","Body":"${body}","Attributes":${attributes}}`;
}
