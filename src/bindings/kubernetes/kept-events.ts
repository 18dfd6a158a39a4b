import { BindingError } from "../../errors.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import { jsonMembers } from "../../text/json-members.ts";

/** What Go writes of an event that is not there. */
const nothing =
  '{"metadata":{"creationTimestamp":null},"involvedObject":{},"source":{},"firstTimestamp":null,"lastTimestamp":null,"eventTime":null,"reportingComponent":"","reportingInstance":""}';

/** A change of an event, as the app is told of it. */
export type Change = {
  readonly kind: "add" | "update" | "delete";
  /** The event's name and its identity. */
  readonly key: string;
  readonly version: string;
  readonly old: string | undefined;
  readonly now: string | undefined;
};

type Kept = { readonly json: string; readonly version: string };

/** The events of the namespace as far as they are known, so that a change can be told with what was before. */
export class KeptEvents {
  readonly #events = new Map<string, Kept>();
  readonly #room: ReturnType<MemoryShare["open"]>;

  constructor(memory: MemoryShare) {
    this.#room = memory.open();
  }

  /** Those that are there now; the rest is gone. */
  *replace(objects: Iterable<string>): Generator<Change> {
    const seen = new Set<string>();
    for (const object of objects) {
      const change = this.put(object);
      if (change === undefined) continue;
      seen.add(change.key);
      if (change.old !== change.now) yield change;
    }
    for (const key of [...this.#events.keys()]) {
      if (seen.has(key)) continue;
      const gone = this.#drop(key);
      if (gone !== undefined) yield gone;
    }
  }

  /** `undefined`: the object is no event. */
  put(object: string): Change | undefined {
    const own = read(object);
    if (own === undefined) return undefined;
    const { key, version, json } = own;
    const before = this.#events.get(key);
    const more = json.length - (before?.json.length ?? 0);
    if (more > 0 && !this.#room.reserve(more)) {
      const text = "the memory budget has no room for the namespace's events (--memory-budget)";
      throw new BindingError("resource_exhausted", text, { effect: "unsent" });
    }
    this.#events.set(key, { json, version });
    const kind = before === undefined ? "add" : "update";
    return { kind, key, version, old: before?.json, now: json };
  }

  remove(object: string): Change | undefined {
    const own = read(object);
    if (own === undefined) return undefined;
    this.#events.delete(own.key);
    // As it was at its end.
    return { kind: "delete", key: own.key, version: own.version, old: own.json, now: undefined };
  }

  /** Each that is there, as if it had changed. */
  *again(): Generator<Change> {
    for (const [key, { json, version }] of this.#events)
      yield { kind: "update", key, version, old: json, now: json };
  }

  release(): void {
    this.#events.clear();
    this.#room.release();
  }

  #drop(key: string): Change | undefined {
    const gone = this.#events.get(key);
    if (gone === undefined) return undefined;
    this.#events.delete(key);
    return { kind: "delete", key, version: gone.version, old: gone.json, now: undefined };
  }
}

/** The data of the event for the app, in Dapr's form. */
export function changeData({ kind, old, now }: Change): Buffer {
  return Buffer.from(`{"event":"${kind}","oldVal":${old ?? nothing},"newVal":${now ?? nothing}}`);
}

/** The object's JSON without its type, which Go's clients take off. */
function read(object: string): { key: string; version: string; json: string } | undefined {
  const members = jsonMembers(object);
  const metadata = JSON.parse(members?.get("metadata") ?? "{}") as Record<string, unknown>;
  const { uid, name, resourceVersion } = metadata;
  const key = typeof uid === "string" && uid !== "" ? uid : name;
  if (members === undefined || typeof key !== "string") return undefined;
  const own = [...members].filter(([member]) => member !== "kind" && member !== "apiVersion");
  const json = `{${own.map(([member, text]) => `${JSON.stringify(member)}:${text}`).join(",")}}`;
  return { key, version: typeof resourceVersion === "string" ? resourceVersion : "", json };
}
