import type { Msg } from "@nats-io/transport-node";
import type { Answer } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import {
  apiFailure,
  callFailure,
  isNoResponders,
  type ApiError,
} from "../../nats-client/failures.ts";
import { bytesOf, receivedHeaders } from "../../nats-client/headers.ts";
import { headersOf, headerText } from "./headers.ts";
import type { Link } from "./link.ts";
import { checkSubject } from "./subjects.ts";

/** What a call says of the message that it sends. */
export type Outgoing = {
  readonly data: Uint8Array;
  readonly subject: string | undefined;
  readonly headers: ReadonlyMap<string, string>;
  readonly properties: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
};

export type Expectations = {
  readonly msgId: string | undefined;
  readonly expectedStream: string | undefined;
  readonly expectedLastSequence: number | undefined;
  readonly expectedLastSubjectSequence: number | undefined;
  readonly expectedLastMsgId: string | undefined;
};

/** In bytes. */
const mostHeaders = 65_535;

/** How a stream answers that it has stored a message. */
type Stored = { stream?: string; seq?: number; duplicate?: boolean; error?: ApiError };

/** Has a stream store the message, and resolves once it has. */
export async function store(
  link: Link,
  outgoing: Outgoing,
  expected: Expectations,
): Promise<Answer> {
  const subject = subjectOf(link, outgoing.subject);
  const text = (value: number | undefined): string | undefined =>
    value === undefined ? undefined : String(value);
  const headers = headersOf(link.driver, outgoing.headers, outgoing.properties, {
    "Nats-Msg-Id": expected.msgId || undefined,
    "Nats-Expected-Stream": expected.expectedStream || undefined,
    "Nats-Expected-Last-Sequence": text(expected.expectedLastSequence),
    "Nats-Expected-Last-Subject-Sequence": text(expected.expectedLastSubjectSequence),
    "Nats-Expected-Last-Msg-Id": expected.expectedLastMsgId || undefined,
  });
  if (headers !== undefined && bytesOf(headers) > mostHeaders) {
    throw new BindingError(
      "invalid_argument",
      `the headers have more than ${mostHeaders} bytes, which no stream takes`,
    );
  }
  const what = `storing a message of ${subject}`;
  let answer: Msg;
  try {
    answer = await link.request(subject, outgoing.data, { headers, signal: outgoing.signal });
  } catch (error) {
    if (!isNoResponders(error)) throw callFailure(error, what);
    throw new BindingError("not_found", `${what}: no stream takes its subject`, {
      effect: "unsent",
      systemCode: "503",
    });
  }
  const stored = storedOf(answer);
  if (stored?.error !== undefined) throw apiFailure(stored.error, what);
  if (stored?.stream === undefined || stored.seq === undefined) {
    throw new BindingError(
      "failed_precondition",
      `${what}: somebody has answered who is no stream; use the operation request for that`,
      { effect: "ambiguous" },
    );
  }
  return {
    metadata: {
      stream: stored.stream,
      sequence: String(stored.seq),
      ...(stored.duplicate ? { duplicate: "true" } : {}),
    },
  };
}

/** Sends the message to whoever listens now. */
export async function publish(link: Link, outgoing: Outgoing): Promise<void> {
  const subject = subjectOf(link, outgoing.subject);
  const headers = headersOf(link.driver, outgoing.headers, outgoing.properties);
  await link.send(subject, outgoing.data, headers, outgoing.signal);
}

/** Sends a request, and resolves to its answer. */
export async function ask(
  link: Link,
  outgoing: Outgoing,
  timeout: number | undefined,
): Promise<Answer> {
  const subject = subjectOf(link, outgoing.subject);
  const headers = headersOf(link.driver, outgoing.headers, outgoing.properties);
  const { signal } = outgoing;
  let answer: Msg;
  try {
    answer = await link.request(subject, outgoing.data, {
      ...{ headers, signal },
      ...(timeout === undefined ? {} : { timeout }),
    });
  } catch (error) {
    throw callFailure(error, `asking ${subject}`);
  }
  const received = receivedHeaders(answer);
  const metadata = Object.fromEntries(
    received.map(({ name, value }) => [`header:${name}`, Buffer.from(value).toString()]),
  );
  const code = headerText(received, "nats-service-error-code");
  if (code !== undefined) {
    const said = headerText(received, "nats-service-error") || "no reason";
    throw new BindingError("failed_precondition", `${subject} answered ${code}: ${said}`, {
      ...{ systemCode: code, metadata },
    });
  }
  return { data: answer.data, ...(received.length > 0 ? { metadata } : {}) };
}

function subjectOf(link: Link, named: string | undefined): string {
  const own = link.metadata.subject;
  const subject = named || own;
  if (!subject) {
    throw new BindingError(
      "invalid_argument",
      "no subject: the request's metadata names none, nor does the component's",
    );
  }
  checkSubject(subject, subject === own);
  return subject;
}

function storedOf(answer: Msg): Stored | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(answer.data).toString());
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
