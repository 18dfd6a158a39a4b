import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack, AnySchema, StringValueSchema } from "@bufbuild/protobuf/wkt";
import { expect } from "vitest";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import type { Entries, ManyTold, Told } from "./asked.ts";
import type { Peer } from "./peers.ts";

const text = "not now: grüße, 100 %";
const detail = anyPack(StringValueSchema, create(StringValueSchema, { value: "why" }));
const status = create(StatusSchema, { code: 9, message: text, details: [detail] });

/** Asks the test service for an error with a text, a detail and a trailer. */
export const failing: Entries = [
  ["do", "fail"],
  ["details-bin", Buffer.from(toBinary(StatusSchema, status)).toString("base64")],
  ["trail-why", "said"],
];

/** That it is what came. */
export function expectFailed({ details = "", ...told }: Told): void {
  expect(told).toMatchObject({ code: 9, text });
  const encoded = Buffer.from(toBinary(AnySchema, detail)).toString("latin1");
  expect(Buffer.from(details, "base64").toString("latin1")).toContain(encoded);
  expect(told.trailers).toContainEqual(["trail-why", "said"]);
}

/** That its deadline has passed. Tonic calls that CANCELLED, as a client, and as a server that sees it first. */
export function expectLate({ code }: Told, ...peers: readonly Peer[]): void {
  const isTonic = peers.some(({ name }) => name === "tonic");
  expect(isTonic ? [1, 4] : [4]).toContain(code);
}

/** That 5,000 calls, 16 at one time, lost none while their connection was ended in good order and made anew. */
export function expectNoneLost(
  { codes, text: errors }: ManyTold,
  clientPeer: Peer,
  serverPeer?: Peer,
): void {
  // With their own other side too, the one answers CANCELLED to calls that it had not begun, and the other fails those
  // that waited for its connection: so many at most as there are at one time, on the connection that goes and the next.
  const isLossy = serverPeer?.name === "grpcio" || clientPeer.name === "tonic";
  if (isLossy) expect(codes[0]).toBeGreaterThanOrEqual(5000 - 2 * 16);
  else expect({ codes, errors }).toEqual({ codes: { 0: 5000 }, errors: [] });
}
