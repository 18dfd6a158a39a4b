import type { MemoryShare, Reservation } from "../../memory/budget.ts";
import { TurnoverMap } from "../../memory/turnover-map.ts";
import { jsonMembers } from "../../text/json-members.ts";
import { noRoomFor } from "../../kubernetes-client/lines.ts";

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

type Kept = { readonly key: string; readonly json: string; readonly version: string };

/** The events of the namespace as far as they are known, so that a change can be told with what was before. */
export class KeptEvents {
  readonly #events = new TurnoverMap<string, Kept>();
  readonly #room: Reservation;

  constructor(memory: MemoryShare) {
    this.#room = memory.open();
  }

  /** What is new or other with these, whose keys are added to those seen. Throws where there is no room for them. */
  *list(objects: readonly string[], seen?: Set<string>): Generator<Change> {
    for (const object of objects) {
      const own = read(object);
      if (own === undefined) continue;
      const { key, version, json } = own;
      seen?.add(key);
      const before = this.#events.get(key);
      if (before?.json === json) continue;
      const more = json.length - (before?.json.length ?? 0);
      if (more <= 0) this.#room.add(more);
      else if (!this.#room.reserve(more)) throw noRoomFor("the namespace's events");
      this.#events.set(key, { key, json, version });
      const kind = before === undefined ? "add" : "update";
      yield { kind, key, version, old: before?.json, now: json };
    }
  }

  /** The others are gone. */
  *keepOnly(seen: ReadonlySet<string>): Generator<Change> {
    for (const { key, version, json } of [...this.#events.values()]) {
      if (seen.has(key)) continue;
      this.#drop(key);
      yield { kind: "delete", key, version, old: json, now: undefined };
    }
  }

  *remove(object: string): Generator<Change> {
    const own = read(object);
    if (own === undefined) return;
    this.#drop(own.key);
    // As it was at its end.
    yield { kind: "delete", key: own.key, version: own.version, old: own.json, now: undefined };
  }

  /** Each that is there, as if it had changed. */
  *again(): Generator<Change> {
    for (const { key, version, json } of this.#events.values())
      yield { kind: "update", key, version, old: json, now: json };
  }

  release(): void {
    this.#events.clear();
    this.#room.release();
  }

  #drop(key: string): void {
    this.#room.add(-(this.#events.get(key)?.json.length ?? 0));
    this.#events.delete(key);
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
