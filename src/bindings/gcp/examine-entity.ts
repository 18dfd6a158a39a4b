import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { BindingError } from "../../errors.ts";
import { examineByRequest } from "../../examine-by-request.ts";
import type { Questions } from "../../examination.ts";
import type { PubsubClient } from "./pubsub-client.ts";

/** A topic to publish to, or a subscription to read, by its full name. */
export type Entity = { readonly kind: "topic" | "subscription"; readonly name: string };

const rights = {
  topic: { get: "Publisher/GetTopic", may: "may write", permission: "pubsub.topics.publish" },
  subscription: {
    get: "Subscriber/GetSubscription",
    may: "may read",
    permission: "pubsub.subscriptions.consume",
  },
} as const;

/** Whether Pub/Sub has it, and what its IAM policy allows the login. Resolves to why the first question failed. */
export async function examineEntity(
  client: PubsubClient,
  { kind, name }: Entity,
  questions: Questions,
): Promise<BindingError["reason"] | undefined> {
  const { signal, ask, unknown } = questions;
  const { get, may, permission } = rights[kind];
  const subject = `${kind} ${name}`;
  const shared = { what: "", route: [kind, name] as const, signal };
  const request = async (): Promise<void> => {
    await client.call(get, encodeTexts([name]), shared);
  };
  const told = [
    ["authenticated", ""],
    ["exists", subject],
  ] as const;
  const reason = await examineByRequest(questions, request, told);
  if (reason === "unauthenticated") return reason;
  if (reason === "not_found") unknown(may, subject, 'not asked: "exists" failed');
  else
    await ask(may, subject, async () => {
      const message = encodeTexts([name], [permission]);
      const route = ["resource", name] as const;
      const call = { ...shared, route, package: "google.iam.v1" };
      const answer = await client.call("IAMPolicy/TestIamPermissions", message, call);
      // Of what is not there, it is none either.
      if (!textsAt(answer, 1).includes(permission))
        throw new BindingError("permission_denied", `the login has no ${permission} there`);
    });
  return reason;
}

/** A message whose fields, from 1 on, are texts. */
function encodeTexts(...fields: readonly (readonly string[])[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [at, texts] of fields.entries())
    for (const text of texts) writer.tag(at + 1, WireType.LengthDelimited).string(text);
  return writer.finish();
}

function textsAt(bytes: Uint8Array, wanted: number): string[] {
  const found: string[] = [];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted && type === WireType.LengthDelimited) found.push(reader.string());
    else reader.skip(type, field);
  }
  return found;
}
