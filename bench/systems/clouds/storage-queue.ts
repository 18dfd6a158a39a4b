import { type StoredMessage, storeOf } from "./message-store.ts";

/** What Azure's queues answer. */
export type StorageAnswer = {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
};

const taken = "Tue, 14 Nov 2023 22:13:20 GMT";
const expires = "Fri, 31 Dec 2100 00:00:00 GMT";

/** The answer to a request below `/ACCOUNT/QUEUE`; `undefined`: there is no such request. */
export function answerStorageQueue(method: string, url: URL): StorageAnswer | undefined {
  const [, , queue = "", messages, id = ""] = url.pathname.split("/");
  const store = storeOf(queue);
  if (messages === undefined) {
    if (method === "PUT") return { status: 201 };
    return { status: 200, headers: { "x-ms-approximate-messages-count": String(store.size) } };
  }
  if (method === "GET") {
    const most = Number(url.searchParams.get("numofmessages") ?? 1);
    const list = store.take(most).map(written).join("");
    return {
      status: 200,
      headers: { "content-type": "application/xml" },
      body: `<?xml version="1.0" encoding="utf-8"?><QueueMessagesList>${list}</QueueMessagesList>`,
    };
  }
  if (method === "DELETE") store.delete(id);
  else if (method !== "PUT") return undefined;
  else if (url.searchParams.get("visibilitytimeout") === "0") store.giveBack(id);
  return {
    status: 204,
    headers: { "x-ms-popreceipt": "AgAAAA", "x-ms-time-next-visible": expires },
  };
}

function written({ id, payload }: StoredMessage): string {
  const text = payload.toString("latin1");
  return `<QueueMessage><MessageId>${id}</MessageId><InsertionTime>${taken}</InsertionTime><ExpirationTime>${expires}</ExpirationTime><PopReceipt>AgAAAA</PopReceipt><TimeNextVisible>${taken}</TimeNextVisible><DequeueCount>1</DequeueCount><MessageText>${text}</MessageText></QueueMessage>`;
}
