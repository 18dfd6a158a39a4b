import { expect } from "vitest";
import rhea from "rhea";
import type { Message } from "rhea";
import queues from "../../../../src/bindings/azure/azure.servicebus.queues/index.ts";
import { uniqueName } from "../../../servers/describe-with.ts";
import type { AzureNamespace } from "../../../servers/azure-messaging/server.ts";
import type { Source } from "../../contract.ts";

export const bytes = (data: Uint8Array | string): unknown =>
  rhea.message.data_section(Buffer.from(data as string));

/** A queue of the stand-in: with sessions, whose messages are in order, or one message after another. */
export function queueSource(
  started: () => Promise<AzureNamespace>,
  kind: "sessions" | "one",
): Source {
  const bySession = kind === "sessions";
  return {
    binding: queues,
    largest: 1_000_000,
    ordered: bySession
      ? { properties: {}, keys: ["a", "b", "c", "d", "e"] }
      : {
          properties: { maxActiveMessages: "1", maxConcurrentHandlers: "1" },
          keys: ["all"],
        },
    async place() {
      const namespace = await started();
      const queueName = uniqueName(bySession ? "sessions" : "orders");
      const queue = namespace.queue(queueName);
      const put = (message: object): void => queue.put(message as Message);
      return {
        properties: {
          connectionString: namespace.connectionString,
          queueName,
          direction: "input",
          maxActiveMessages: "100",
          maxConcurrentHandlers: "0",
          ...(bySession && { requireSessions: "true", maxConcurrentSessions: "10" }),
        },
        async send(data, key) {
          put({ body: bytes(data), ...(bySession && { group_id: key }) });
        },
        async sendMarked() {
          put({
            body: bytes("x"),
            message_id: "m-1",
            correlation_id: "c-1",
            content_type: "text/x",
            subject: "order.created",
            to: "here",
            reply_to: "answers",
            group_id: "s-1",
            reply_to_group_id: "s-2",
            message_annotations: { "x-opt-partition-key": "s-1" },
            application_properties: {
              text: "grün und/1",
              bytes: Buffer.of(0, 255),
              number: 7,
              SequenceNumber: "forged",
            },
          });
          return ({ metadata, headers }) => {
            expect(metadata).toMatchObject({
              id: "m-1",
              correlationID: "c-1",
              label: "order.created",
              ContentType: "text/x",
              To: "here",
              ReplyTo: "answers",
              SessionId: "s-1",
              ReplyToSessionId: "s-2",
              PartitionKey: "s-1",
              SequenceNumber: "1",
              DeliveryCount: "1",
              text: "gr%C3%BCn+und%2F1",
            });
            expect(metadata["EnqueuedTimeUtc"]).toMatch(/^\d{4}-\d\d-\d\dT/);
            expect(headers.map(({ name, value }) => [name, Buffer.from(value)])).toEqual([
              ["text", Buffer.from("grün und/1")],
              ["bytes", Buffer.of(0, 255)],
              ["number", Buffer.from("7")],
              ["SequenceNumber", Buffer.from("forged")],
            ]);
          };
        },
      };
    },
  };
}
