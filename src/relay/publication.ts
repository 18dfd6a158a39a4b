import { randomUUID } from "node:crypto";
import { BindingError } from "../errors.ts";
import type { RelayLink } from "./link.ts";
import type { RelayNames } from "./stream.ts";

/** A message for the stream. */
export type Outgoing = {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly id?: string;
};

/** How a publication has ended. */
export type Published =
  /** The stream has it durably. `sequence`: of the last message. */
  | { readonly kind: "stored"; readonly sequence: number }
  /** One of the messages is in the stream already, and of several none was stored now. */
  | { readonly kind: "duplicate" }
  /** The stream holds no more; `noRoom`: the servers, or the account, have no room for it. */
  | { readonly kind: "full"; readonly noRoom?: string }
  /** Another replica writes since. */
  | { readonly kind: "fenced" };

const publishTimeout = 10_000;
const wrongSequence: ReadonlySet<string> = new Set(["10071", "10164"]);
const duplicateInBatch = "10201";
const noMessage = "10037";
const isFull = /maximum (messages|bytes) exceeded/i;
const hasNoRoom = /insufficient (storage )?resources|resource limits exceeded/i;

type Answer = {
  readonly seq: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly err_code?: number; readonly description?: string };
};

/**
 * Has the stream store messages, all or none, if this replica is the one that writes. Rejects with a `BindingError` when
 * nobody knows whether it has: publishing the same again is no harm then.
 */
export async function publish(
  link: RelayLink,
  names: RelayNames,
  messages: readonly Outgoing[],
  epoch: number | undefined,
): Promise<Published> {
  const batch = messages.length > 1 ? randomUUID().replaceAll("-", "") : undefined;
  for (const [index, { subject, data, id }] of messages.entries()) {
    const headers = link.driver.headers();
    if (id !== undefined) headers.append("Nats-Msg-Id", id);
    if (index === 0 && epoch !== undefined) {
      headers.append("Nats-Expected-Last-Subject-Sequence", String(epoch));
      headers.append("Nats-Expected-Last-Subject-Sequence-Subject", names.epoch);
    }
    if (batch !== undefined) {
      headers.append("Nats-Batch-Id", batch);
      headers.append("Nats-Batch-Sequence", String(index + 1));
    }
    if (index < messages.length - 1) {
      link.publish(subject, data, undefined, headers);
      continue;
    }
    if (batch !== undefined) headers.append("Nats-Batch-Commit", "1");
    const answer = await link.request(subject, data, { timeout: publishTimeout, headers });
    return outcome(link, names, answer.json<Answer>(), epoch);
  }
  return { kind: "stored", sequence: 0 };
}

async function outcome(
  link: RelayLink,
  names: RelayNames,
  { seq, duplicate, error }: Answer,
  epoch: number | undefined,
): Promise<Published> {
  if (error === undefined)
    return duplicate ? { kind: "duplicate" } : { kind: "stored", sequence: seq };
  const { description = "" } = error;
  const code = String(error.err_code ?? "");
  if (code === duplicateInBatch) return { kind: "duplicate" };
  if (isFull.test(description)) return { kind: "full" };
  if (hasNoRoom.test(description)) return { kind: "full", noRoom: description };
  // The server says the same while an earlier publication is on its way through the cluster.
  if (wrongSequence.has(code) && (await lastEpoch(link, names)).sequence !== epoch)
    return { kind: "fenced" };
  throw new BindingError("unavailable", `the relay's stream did not store events: ${description}`, {
    effect: "ambiguous",
    systemCode: code,
  });
}

/** Who wrote last. */
async function lastEpoch(
  link: RelayLink,
  names: RelayNames,
): Promise<{ readonly sequence: number; readonly number: number }> {
  try {
    const { message } = await link.api<{ message: { seq: number; data?: string } }>(
      `STREAM.MSG.GET.${names.stream}`,
      { last_by_subj: names.epoch },
      "the relay's last writer",
    );
    const number = Number(Buffer.from(message.data ?? "", "base64").toString());
    return { sequence: message.seq, number: Number.isSafeInteger(number) ? number : 0 };
  } catch (error) {
    if (!(error instanceof BindingError) || error.systemCode !== noMessage) throw error;
    return { sequence: 0, number: 0 };
  }
}

/**
 * Makes this replica the one that writes, by its fencing token, and tells what its publications expect. Rejects with a
 * `BindingError` that is `aborted` where another one with a later token has.
 */
export async function beginEpoch(
  link: RelayLink,
  names: RelayNames,
  token: number,
): Promise<number> {
  for (;;) {
    const last = await lastEpoch(link, names);
    if (last.number > token)
      throw new BindingError("aborted", "another replica writes into the relay since");
    const headers = link.driver.headers();
    headers.append("Nats-Rollup", "sub");
    headers.append("Nats-Expected-Last-Subject-Sequence", String(last.sequence));
    const answer = await link.request(names.epoch, String(token), {
      timeout: publishTimeout,
      headers,
    });
    const { seq, error } = answer.json<Answer>();
    if (error === undefined) return seq;
    if (wrongSequence.has(String(error.err_code ?? ""))) continue;
    const text = `the relay's writer could not begin: ${error.description ?? ""}`;
    const full = isFull.test(error.description ?? "") || hasNoRoom.test(error.description ?? "");
    throw new BindingError(full ? "resource_exhausted" : "unavailable", text);
  }
}
