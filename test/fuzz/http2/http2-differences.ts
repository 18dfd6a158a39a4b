import type { Http2Frame } from "../../grpc/http2-frame.ts";
import type { Difference } from "./compare.ts";
import { OpenedStreams, phaseBytes, type ConnectionInput } from "./frames.ts";
import type { Seen } from "./seen.ts";

/** What a difference is judged by. */
export type Case = {
  readonly side: "client" | "server";
  readonly difference: Difference;
  readonly ours: Seen;
  readonly nodes: Seen;
  /** Frames as they were sent, whatever they were meant to be. */
  readonly sent: readonly Http2Frame[];
  readonly input: ConnectionInput;
};

export type KnownDifference = {
  /** Why it is as it is, and shall stay so. */
  readonly reason: string;
  matches(one: Case): boolean;
};

/** Where our HTTP/2 and Node's are not alike. One that is not here fails the fuzz test. */
export const knownDifferences: readonly KnownDifference[] = [
  {
    reason:
      "Frames behind END_STREAM are an error of their stream (RFC 9113 5.1, half-closed (remote)); nghttp2 ends the connection.",
    matches: ({ ours, nodes, difference }) =>
      difference.what === "end" && nodesEnds(difference, nodes, 5) && hasReset(ours, 5),
  },
  {
    reason:
      "Malformed messages are an error of their stream (RFC 9113 8.1.1); Node ends the connection for some of them, such as a body that is unlike content-length.",
    matches: ({ ours, nodes, difference }) =>
      difference.what === "end" && nodesEnds(difference, nodes, 1, 2) && hasReset(ours, 1),
  },
  {
    reason:
      "A window of a stream that grows too large is an error of the stream (RFC 9113 6.9.1); nghttp2 ends the connection.",
    matches: ({ nodes, difference, sent }) =>
      difference.what === "end" &&
      nodesEnds(difference, nodes, 3) &&
      sent.some(({ type, stream }) => type === 8 && stream !== 0),
  },
  {
    reason:
      "PING and SETTINGS with ACK that nobody asked for are skipped, for they harm nobody; Node ends the connection.",
    matches: ({ sent, nodes, difference }) =>
      difference.what === "end" &&
      nodesEnds(difference, nodes, 1, 2) &&
      sent.some(({ type, flags }) => (type === 6 || type === 4) && (flags & 1) !== 0),
  },
  {
    reason:
      "A GOAWAY of the client is no error, whatever its code: streams go on, and the connection ends behind the last one. Node answers an error with an error.",
    matches: ({ sent, difference }) =>
      difference.what === "end" && sent.some(({ type }) => type === 7),
  },
  {
    reason:
      "HEADERS of an id below the last one are an error of the connection (RFC 9113 5.1.1); nghttp2 skips them where the stream may have been there.",
    matches: ourEnd(/^HEADERS of stream \d+ came after one of \d+$/),
  },
  {
    reason:
      "HEADERS of a stream that has ended are STREAM_CLOSED for the connection (RFC 9113 5.1, closed); nghttp2 skips them.",
    matches: ourEnd(/^HEADERS of a stream that has ended$/),
  },
  {
    reason:
      "A stream that depends on itself was an error of RFC 7540 5.3.1, and h2spec asks for it; nghttp2 does not look at priorities any more.",
    matches: ourEnd(/^a stream depends on itself$/),
  },
  {
    reason:
      "Each setting is judged, also one that stands twice in a frame; nghttp2 judges the last one alone.",
    matches: ({ sent, ...one }) =>
      ourEnd(/^SETTINGS_/)(one) && sent.some((frame) => frame.type === 4 && hasDouble(frame)),
  },
  {
    reason:
      "A field whose name or value is malformed makes its message malformed (RFC 9113 8.2.1); nghttp2 leaves the field out.",
    matches: ({ difference, ours, input }) =>
      difference.stream !== undefined &&
      (difference.what === "head" || difference.what === "reset") &&
      isReset(ours, difference.stream, 1) &&
      hasField(input, isMalformed),
  },
  {
    reason:
      "A value with control characters beside CR, LF and NUL is carried (RFC 9110 5.5 leaves it to the recipient); nghttp2 leaves the field out.",
    matches: ({ difference, input }) =>
      (difference.what === "head" || difference.what === "trailers") &&
      difference.nodes !== "-" &&
      hasField(input, ({ value }) => controls.test(value)),
  },
  {
    reason:
      "content-length and host among trailers are malformed (RFC 9110 6.5.1); nghttp2 compares the length with the body, and takes one host.",
    matches: ({ difference, ours, nodes, input }) =>
      (difference.what === "end"
        ? nodesEnds(difference, nodes, 1, 2, 5)
        : isReset(ours, difference.stream ?? 0, 1)) &&
      (hasField(input, ({ name }) => name === "content-length" || name === "host") ||
        /"(?:content-length|host)"/.test(
          nodes.streams.get(difference.stream ?? 0)?.trailers ?? "",
        )),
  },
  {
    reason:
      "An interim response is skipped whatever it has; nghttp2 refuses one with content-length (RFC 9110 8.6).",
    matches: ({ side, difference, nodes, input }) =>
      side === "client" &&
      isReset(nodes, difference.stream ?? 0, 1) &&
      hasField(input, ({ name, value }) => name === ":status" && value.startsWith("1")) &&
      hasField(input, ({ name }) => name === "content-length"),
  },
  {
    reason: "A header list may be too long and malformed: which is judged first is left to each.",
    matches: ({ difference, ours, nodes }) =>
      difference.what === "reset" &&
      isReset(ours, difference.stream ?? 0, 11) &&
      isReset(nodes, difference.stream ?? 0, 1),
  },
  {
    reason:
      "DATA of a closed stream is answered with STREAM_CLOSED (RFC 9113 5.1, closed); nghttp2 skips it.",
    matches: ({ difference, ours, sent }) =>
      difference.what === "reset" &&
      difference.ours.replace(/(?: ?reset 5)+$/, "") === difference.nodes &&
      (ours.streams.get(difference.stream ?? 0)?.closed !== 5 ||
        sent.some(({ type, stream }) => type === 3 && stream === difference.stream)),
  },
  {
    reason:
      "What comes of a stream that was reset is skipped, also behind END_STREAM; nghttp2 ends the connection then.",
    matches: ({ difference, ours, nodes }) =>
      difference.what === "end" && nodesEnds(difference, nodes, 5) && hasReset(ours, 1),
  },
  {
    reason: "PRIORITY belongs to a stream (RFC 9113 6.3); nghttp2 does not look at it.",
    matches: ourEnd(/^PRIORITY belongs to no stream$/),
  },
  {
    reason: "PUSH_PROMISE is refused without a look at its length, which nghttp2 judges first.",
    matches: ourEnd(/^PUSH_PROMISE was not expected$/),
  },
  {
    reason: "Padding is judged also in DATA of a stream that is over, which nghttp2 skips.",
    matches: ourEnd(
      /^(?:the padding of a DATA frame is longer than the frame|a padded DATA frame is empty)$/,
    ),
  },
  {
    reason:
      "Node's client knows ALTSVC and ORIGIN (RFC 7838, RFC 8336), and judges them; to ours they are unknown frames.",
    matches: ({ side, difference, nodes, sent }) =>
      side === "client" &&
      difference.what === "end" &&
      nodes.isEnded &&
      sent.some(({ type }) => type === 10 || type === 12),
  },
  {
    reason: "An end without data needs no window (RFC 9113 6.9.1); nghttp2 waits for one.",
    matches: ({ difference, ours, sent }) =>
      (difference.what === "answer" ||
        difference.what === "closed" ||
        // It was reset while it waited.
        difference.nodes === "reset 8") &&
      ours.told.get(difference.stream ?? 0)?.includes("end") === true &&
      sent.some((frame) => frame.type === 4 && settingIds(frame).includes(4)),
  },
  {
    reason: "RST_STREAM with NO_ERROR is no end of a message; Node tells its program an end.",
    matches: ({ difference, sent }) =>
      difference.what === "ended" &&
      difference.ours === "false" &&
      sent.some(
        ({ type, stream, payload }) =>
          type === 3 && stream === difference.stream && payload.readUInt32BE(0) === 0,
      ),
  },
  {
    reason: "A request whose header list is too large is answered with status 431; Node resets it.",
    matches: ({ side, difference, ours }) =>
      side === "server" && ours.told.get(difference.stream ?? 0)?.includes("headers 431") === true,
  },
  {
    reason:
      "A frame may be of the wrong length and on the wrong stream: which of the two is judged first is left to each (RFC 9113 4.2 and 5.1.1).",
    matches: ({ difference, ours, nodes }) =>
      difference.what === "end" &&
      ours.isEnded &&
      nodes.isEnded &&
      ours.lasted === nodes.lasted &&
      ((ours.goaway === 1 && nodes.goaway === 6) || (ours.goaway === 6 && nodes.goaway === 1)),
  },
  {
    reason:
      "A frame beyond SETTINGS_MAX_FRAME_SIZE ends the connection (RFC 9113 4.2); nghttp2 does not look at the length of a CONTINUATION, and waits for its bytes.",
    matches: ({ nodes, ...one }) =>
      nodes.isSilent && ourEnd(/^a frame has \d+ bytes, the limit is \d+$/)({ nodes, ...one }),
  },
  {
    reason:
      "HEADERS may have a wrong stream and a wrong block: which is judged first is left to each.",
    matches: ({ difference, ours, nodes, sent }) =>
      difference.what === "end" &&
      ours.lasted === nodes.lasted &&
      ours.goaway === 9 &&
      (nodes.goaway === 1 || nodes.goaway === 5) &&
      sent.some(
        ({ type, stream }, index) =>
          type === 1 &&
          (stream % 2 === 0 ||
            sent.slice(0, index).some((frame) => frame.type === 1 && frame.stream === stream)),
      ),
  },
  {
    reason: "A header block is decoded once it is whole; nghttp2 finds its faults before that.",
    matches: ({ nodes, ...one }) =>
      ourEnd(/^another frame came within a header block$/)({ nodes, ...one }) && nodes.goaway === 9,
  },
  {
    reason:
      "SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441) and SETTINGS_NO_RFC7540_PRIORITIES (RFC 9218) are not known, and so not judged.",
    matches: ({ difference, nodes, sent }) =>
      difference.what === "end" &&
      nodesEnds(difference, nodes, 1) &&
      sent.some((frame) => frame.type === 4 && [8, 9].some((id) => settingIds(frame).includes(id))),
  },
  {
    reason:
      "Node's client ends a request when the response has ended; ours lets the program say so.",
    matches: ({ side, difference, ours }) =>
      side === "client" &&
      (difference.what === "reset" ||
        difference.what === "answer" ||
        difference.what === "closed") &&
      ours.streams.get(difference.stream ?? 0)?.isEnded === true,
  },
  {
    reason: "Of several faults of mangled bytes the two find another one first.",
    matches: ({ difference, ours, nodes, input }) =>
      difference.what === "end" &&
      ours.isEnded &&
      nodes.isEnded &&
      ours.lasted === nodes.lasted &&
      input.phases[ours.lasted - 1]?.changes.length !== 0,
  },
];

/** Node has ended the connection with one of these codes, and not after ours. */
function nodesEnds({ ours }: Difference, nodes: Seen, ...codes: readonly number[]): boolean {
  if (!nodes.isEnded || !codes.includes(nodes.goaway ?? 0)) return false;
  const phase = /^ended in phase (\d)/.exec(ours)?.[1];
  return phase === undefined || Number(phase) >= nodes.lasted;
}

/** Ours has ended the connection for this reason, and not after Node's. */
function ourEnd(reason: RegExp): (one: Pick<Case, "difference" | "ours" | "nodes">) => boolean {
  return ({ difference, ours, nodes }) =>
    difference.what === "end" &&
    reason.test(ours.reason ?? "") &&
    (!nodes.isEnded || nodes.lasted >= ours.lasted);
}

function hasReset({ told }: Seen, code: number): boolean {
  return [...told.values()].some((list) => list.includes(`reset ${code}`));
}

function isReset({ told }: Seen, stream: number, code: number): boolean {
  return told.get(stream)?.includes(`reset ${code}`) === true;
}

function settingIds({ payload }: Http2Frame): number[] {
  const length = Math.floor(payload.length / 6);
  return Array.from({ length }, (_, index) => payload.readUInt16BE(index * 6));
}

function hasDouble(frame: Http2Frame): boolean {
  const ids = settingIds(frame);
  return new Set(ids).size < ids.length;
}

// oxlint-disable-next-line no-control-regex
const controls = /[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** Whether HTTP/2 does not carry a field, for its name or its value. */
function isMalformed({ name, value }: { readonly name: string; readonly value: string }): boolean {
  // oxlint-disable-next-line no-control-regex
  return !/^:?[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name) || /[\0\r\n]|^[ \t]|[ \t]$/.test(value);
}

/** Whether such a field was sent, or may have become of one. */
function hasField(
  { phases }: ConnectionInput,
  test: (field: { readonly name: string; readonly value: string }) => boolean,
): boolean {
  return phases.some(
    ({ frames, changes }) =>
      changes.length > 0 ||
      frames.some(
        (frame) =>
          frame.kind === "headers" && frame.fields.some((field) => "name" in field && test(field)),
      ),
  );
}

/** The frames that an input makes. */
export function sentFrames({ phases }: ConnectionInput, opened: readonly number[]): Http2Frame[] {
  const ids = new OpenedStreams(opened);
  const frames: Http2Frame[] = [];
  for (const phase of phases) {
    const bytes = phaseBytes(phase, ids);
    for (let at = 0; at + 9 <= bytes.length;) {
      const end = at + 9 + bytes.readUIntBE(at, 3);
      const [type = 0, flags = 0] = bytes.subarray(at + 3);
      frames.push({
        ...{ type, flags },
        stream: bytes.readUInt32BE(at + 5) & 0x7fff_ffff,
        payload: bytes.subarray(at + 9, end),
      });
      at = end;
    }
  }
  return frames;
}
