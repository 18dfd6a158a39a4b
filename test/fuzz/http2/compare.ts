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
      const acted = new Set<number>();
      for (const { stream, act } of phase.acts) {
        const id = ids.any(stream);
        if (id === undefined || acted.has(id)) continue;
        acted.add(id);
        running.act(id, act);
      }
      await turn();
      await wire.send([]);
      if (wire.isSilent) break;
    }
    // What a program is told may come some turns after the bytes.
    for (let turns = 0; turns < 3; turns++) await turn();
    const { told, isEnded, isSilent, goaway } = wire;
    const { reason } = running;
    return {
      streams: structuredClone(streams),
      told: new Map(told),
      isEnded,
      isSilent,
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
  const [ourEnd, nodesEnd] = [endOf(ours), endOf(nodes)];
  if (ourEnd !== nodesEnd)
    return [{ what: "end", stream: undefined, ours: ourEnd, nodes: nodesEnd }];
  // What was to be told and sent may have been overtaken by the end.
  if (ours.isEnded) return [];
  const found: Difference[] = [];
  const ids = new Set([
    ...[...ours.streams.keys(), ...ours.told.keys()],
    ...[...nodes.streams.keys(), ...nodes.told.keys()],
  ]);
  for (const stream of ids) {
    const one = ofStream(ours, stream);
    const other = ofStream(nodes, stream);
    const what = order.find((what) => one[what] !== other[what]);
    if (what !== undefined) found.push({ what, stream, ours: one[what], nodes: other[what] });
  }
  return found;
}

const order = ["head", "reset", "body", "ended", "trailers", "answer", "closed"] as const;

function ofStream(
  { streams, told }: Seen,
  stream: number,
): Readonly<Record<(typeof order)[number], string>> {
  const one = streams.get(stream);
  const wire = told.get(stream) ?? [];
  const reset = wire.filter((text) => text.startsWith("reset")).join(" ");
  return {
    head: one?.head ?? "-",
    reset,
    body: one?.body ?? "-",
    // What becomes of a message that was cut short is not the same thing to both.
    ended: String(one?.isEnded === true && reset === "" && (one.closed ?? 0) === 0),
    trailers: one?.trailers ?? "-",
    // Node ends a stream before it resets it.
    answer: reset === "" ? wire.join(" ") : "-",
    closed: one?.closed === undefined || reset !== "" ? "-" : errorName(one.closed),
  };
}

/** How the connection has ended: "open", "silent", or the phase and the code. */
function endOf({ isEnded, isSilent, goaway, lasted }: Seen): string {
  if (isSilent) return "silent";
  if (!isEnded && goaway === undefined) return "open";
  return `${isEnded ? `ended in phase ${lasted}` : "open"} ${errorName(goaway ?? 0)}`;
}
