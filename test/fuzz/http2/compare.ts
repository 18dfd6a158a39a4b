import { setImmediate as turn } from "node:timers/promises";
import { errorName } from "../../../src/http2/error-code.ts";
import { http2Frame } from "../../grpc/http2-frame.ts";
import { OpenedStreams, phaseBytes, type ConnectionInput } from "./frames.ts";
import type { Running, Seen } from "./seen.ts";

/** Something in which the two sides are not alike. */
export type Difference = {
  /** What it is about, of the connection or of one stream. */
  readonly what: "end" | "reset" | "head" | "body" | "ended" | "trailers" | "answer" | "closed";
  readonly stream: number | undefined;
  readonly ours: string;
  readonly nodes: string;
  /** Why ours has ended the connection. */
  readonly reason: string | undefined;
  /** What ours made of the head of the stream. */
  readonly head: string | undefined;
};

/** Gives the input to a side, after `begin`, and resolves to what it made of it. */
export async function run(
  running: Running,
  begin: Buffer,
  opened: readonly number[],
  { phases, cuts, isByteByByte }: ConnectionInput,
): Promise<Seen> {
  const { wire, streams } = running;
  try {
    let bytes = begin;
    const ids = new OpenedStreams(opened);
    let lasted = 0;
    for (const phase of phases) {
      if (!wire.isEnded) lasted++;
      bytes = Buffer.concat([bytes, phaseBytes(phase, ids)]);
      await wire.send(cut(bytes, isByteByByte && bytes.length < 2000 ? undefined : cuts));
      bytes = Buffer.alloc(0);
      await turn();
      for (const { stream, act } of phase.acts) running.act(ids.id(stream, false), act);
      await turn();
      await wire.send([]);
    }
    // What a program is told may come some turns after the bytes.
    for (let turns = 0; turns < 3; turns++) await turn();
    const { told, isEnded, goaway } = wire;
    const { reason } = running;
    return {
      streams: structuredClone(streams),
      told: new Map(told),
      isEnded,
      goaway,
      lasted,
      reason,
    };
  } finally {
    running.close();
  }
}

/** SETTINGS and their acknowledgement, which both sides say first. */
export const hello = Buffer.concat([
  http2Frame({ type: 4, stream: 0 }),
  http2Frame({ type: 4, flags: 1, stream: 0 }),
]);

function cut(bytes: Buffer, cuts: readonly number[] | undefined): Buffer[] {
  if (cuts === undefined) return Array.from(bytes, (byte) => Buffer.from([byte]));
  const places = cuts.map((share) => Math.floor((bytes.length * share) / 10_000));
  const ends = [...new Set([...places, bytes.length])].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

/** In what the two are not alike. The first difference of a stream makes further ones of no interest, that of the connection all. */
export function differences(ours: Seen, nodes: Seen): Difference[] {
  const { reason } = ours;
  const ends = [ours, nodes].map(endOf);
  if (ends[0] !== ends[1]) {
    const [one = "", other = ""] = ends;
    return [{ what: "end", stream: undefined, ours: one, nodes: other, reason, head: undefined }];
  }
  // What was to be told and sent may have been overtaken by the end.
  if (ours.isEnded) return [];
  const found: Difference[] = [];
  const ids = new Set([
    ...[...ours.streams.keys(), ...ours.told.keys()],
    ...[...nodes.streams.keys(), ...nodes.told.keys()],
  ]);
  for (const stream of ids) {
    const all = [ours, nodes].map((seen) => {
      const one = seen.streams.get(stream);
      const wire = seen.told.get(stream) ?? [];
      const head = one?.head ?? "-";
      return {
        head,
        reset: wire.filter((text) => text.startsWith("reset")).join(" ") || "-",
        body: one?.body ?? "-",
        ended: String(one?.isEnded ?? false),
        trailers: one?.trailers ?? "-",
        answer: wire.join(" "),
        closed: one?.closed === undefined ? "-" : errorName(one.closed),
      };
    });
    const [one = {}, other = {}] = all as Record<string, string>[];
    for (const what of Object.keys(one)) {
      if (one[what] === other[what]) continue;
      found.push({
        ...{ what: what as Difference["what"], stream, reason },
        ...{ ours: one[what] ?? "", nodes: other[what] ?? "" },
        head: one["head"],
      });
      break;
    }
  }
  return found;
}

function endOf({ isEnded, goaway, lasted }: Seen): string {
  if (!isEnded && goaway === undefined) return "open";
  return `${isEnded ? `ended in phase ${lasted}` : "open"} ${errorName(goaway ?? 0)}`;
}
