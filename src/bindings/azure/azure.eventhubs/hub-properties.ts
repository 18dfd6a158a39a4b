import { BindingError } from "../../../errors.ts";
import { statusOf, type NamespaceConnection } from "../messaging-namespace.ts";

export type HubProperties = {
  readonly partitions: readonly string[];
  /** When it was made, in milliseconds since 1970. */
  readonly created: number;
};

export async function describeHub(
  namespace: NamespaceConnection,
  hub: string,
  signal: AbortSignal,
): Promise<HubProperties> {
  const body = await ask(namespace, hub, { type: "com.microsoft:eventhub" }, signal);
  const { partition_ids: ids, created_at: created } = body;
  if (!Array.isArray(ids) || ids.length === 0) {
    throw new BindingError("unavailable", `${hub} names no partitions`, { effect: "unsent" });
  }
  return {
    partitions: ids.map(String),
    created: created instanceof Date ? created.getTime() : 0,
  };
}

/** The newest event of a partition; `undefined`: there never was one. */
export async function lastOf(
  namespace: NamespaceConnection,
  hub: string,
  partition: string,
  signal: AbortSignal,
): Promise<{ readonly sequence: number; readonly offset: string } | undefined> {
  const body = await ask(namespace, hub, { type: "com.microsoft:partition", partition }, signal);
  const sequence = Number(body["last_enqueued_sequence_number"]);
  return sequence >= 0 ? { sequence, offset: String(body["last_enqueued_offset"]) } : undefined;
}

async function ask(
  namespace: NamespaceConnection,
  hub: string,
  what: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  const node = await namespace.management("", hub, signal);
  const request = { operation: "READ", name: hub, ...what };
  const { properties, body } = await node.request(request, "", signal);
  const { code, text, condition } = statusOf(properties);
  if (code === 200 && typeof body === "object" && body !== null)
    return body as Readonly<Record<string, unknown>>;
  throw new BindingError(
    code === 404 ? "not_found" : code === 401 ? "permission_denied" : "unavailable",
    `the event hub ${hub} cannot be read: ${text} (${code})`,
    { effect: "unsent", systemCode: condition ?? String(code) },
  );
}
