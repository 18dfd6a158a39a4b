import type { Msg } from "@nats-io/transport-node";
import { BindingError } from "../../errors.ts";
import { apiFailure, callFailure, type ApiError } from "../../nats-client/failures.ts";
import type { Link } from "../../nats-client/link.ts";
import { driverHeaders, headerNames, nothing, type NewMessage } from "./messages.ts";

/** What another one has changed meanwhile: to be read again. Nothing was written. */
export class Conflict extends Error {}

const what = "writing to the store on NATS";

/** More bytes than this are not sent before the server has said that it has those before. */
const window = 8 * 1024 * 1024;

/** Of a message's headers and of what the protocol adds, at most. */
export const headerRoom = 16 * 1024;

/** As many messages as a batch may have, says the server. */
export const mostInBatch = 1000;

type PubAck = { readonly seq?: number; readonly error?: ApiError };

/**
 * Publishes messages as one: all are there at one time, or none. Resolves to the sequence of the last one. Rejects with a
 * {@link Conflict}, or with a `BindingError`; of effect `ambiguous`: nobody knows. `isCareful`: each message is asked after,
 * to learn which one the server does not take, and why.
 */
export async function publish(
  link: Link,
  messages: readonly NewMessage[],
  id: string,
  isCareful: boolean,
): Promise<number> {
  const [single] = messages;
  if (single !== undefined && messages.length === 1) return acknowledged(link, single);
  let unacknowledged = 0;
  for (const [index, message] of messages.entries()) {
    const headers: Record<string, string> = {
      ...message.headers,
      [headerNames.batch]: id,
      [headerNames.batchSequence]: String(index + 1),
    };
    const one = { ...message, headers };
    if (index === messages.length - 1) {
      headers[headerNames.batchCommit] = "1";
      return acknowledged(link, one);
    }
    unacknowledged += message.body.length;
    // An empty answer says that it has been kept for the batch.
    if (isCareful || unacknowledged > window) {
      await request(link, one);
      unacknowledged = 0;
    } else {
      link.publish(one.subject, one.body, undefined, driverHeaders(link.driver, headers));
    }
  }
  throw new BindingError("internal", "a batch without messages");
}

async function acknowledged(link: Link, message: NewMessage): Promise<number> {
  const { seq } = await request(link, message);
  if (seq === undefined) {
    throw new BindingError("internal", `${what}: an acknowledgement without a sequence`, {
      effect: "ambiguous",
    });
  }
  return seq;
}

async function request(link: Link, { subject, body, headers }: NewMessage): Promise<PubAck> {
  let answer: Msg;
  try {
    answer = await link.request(subject, body.length === 0 ? nothing : body, {
      headers: driverHeaders(link.driver, headers),
    });
  } catch (error) {
    throw callFailure(error, what);
  }
  if (answer.data.length === 0) return {};
  const ack = answer.json<PubAck>();
  if (ack.error !== undefined) throw refusal(ack.error);
  return ack;
}

const wrongSequence = 10_071;
const inProcess = 10_164;
const incomplete = 10_176;

/** Codes of a store that has no room. */
const full: ReadonlySet<number> = new Set([10_002, 10_023, 10_047, 10_077]);

function refusal(error: ApiError): Error {
  const { err_code = 0, description = "" } = error;
  if (err_code === wrongSequence) return new Conflict(description);
  // Others are in the way for as long as a write takes.
  if (err_code === inProcess || err_code === incomplete) return new Busy(description);
  if (full.has(err_code)) {
    return new BindingError(
      "unavailable",
      `${what}: ${description}; give JetStream more room, or the account higher limits`,
      { systemCode: String(err_code) },
    );
  }
  return apiFailure(error, what);
}

/** The server does not take it now. Nothing was written. */
export class Busy extends Error {}
