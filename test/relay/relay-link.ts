import * as nats from "@nats-io/transport-node";
import { natsFields } from "../../src/bindings/nats/fields.ts";
import { Link } from "../../src/nats-client/link.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";
import { parseFields } from "../../src/metadata/parse.ts";
import type { ConnectRelay } from "../../src/relay/link.ts";

/** Connects relays to a server. */
export function connectTo(url: string, more: Readonly<Record<string, string>> = {}): ConnectRelay {
  const memory = new MemoryBudget().share("relay");
  const values = { servers: url, stream: "S", consumer: "c", ...more };
  const metadata = parseFields(natsFields, values).values;
  return (signal, lost) =>
    Link.open(nats, { metadata, name: "relay", signal, memory, lost, hide: undefined });
}
