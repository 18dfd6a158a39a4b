import { BindingError } from "../../errors.ts";
import { textAt } from "../../text/xml.ts";
import { AwsClient } from "./client.ts";
import type { AwsOpening } from "./client.ts";
import { meaningOf } from "./failures.ts";
import type { AwsMetadata } from "./fields.ts";

/** A message as the service gives it. */
export type ReceivedMessage = {
  readonly MessageId: string;
  readonly ReceiptHandle: string;
  readonly Body?: string;
  readonly Attributes?: Readonly<Record<string, string>>;
  readonly MessageAttributes?: Readonly<Record<string, ReceivedAttribute>>;
};

export type ReceivedAttribute = {
  readonly DataType?: string;
  readonly StringValue?: string;
  readonly BinaryValue?: string;
};

/** Which queue, and as whom it is asked. */
export type QueueMetadata = AwsMetadata & {
  readonly queueName: string;
  readonly queueOwnerAccountId?: string | undefined;
};

/** What one entry of a batch came to; `undefined`: it was done. */
export type EntryFailure = BindingError | undefined;

const service = { id: "SQS", host: "sqs" } as const;
const sts = { id: "STS", host: "sts" } as const;
/** Of a batch, in entries, as the service takes them. */
export const mostEntries = 10;
/** Ten messages of 1 MiB, as JSON writes the most inconvenient of them. */
const largestAnswer = 64 * 1024 * 1024;

/** Throws a `BindingError` for what is no name of a queue. */
export function checkQueueName(field: string, name: string): void {
  if (/^[\w-]{1,80}(?:\.fifo)?$/.test(name)) return;
  throw new BindingError(
    "invalid_argument",
    `${field} ${JSON.stringify(name)} is no name of a queue: letters, digits, "_" and "-", and .fifo at the end; a URL or an ARN is none`,
  );
}

/** Throws a `BindingError` for times that the service does not take. */
export function checkQueueTimes(metadata: {
  readonly visibilityTimeout: number;
  readonly waitTime: number;
}): void {
  const { visibilityTimeout, waitTime } = metadata;
  if (visibilityTimeout < 1_000 || visibilityTimeout > 43_200_000)
    throw new BindingError("invalid_argument", "visibilityTimeout must be from 1s to 12h");
  if (waitTime < 1_000 || waitTime > 20_000)
    throw new BindingError("invalid_argument", "waitTime must be from 1s to 20s");
}

/** One queue, and the calls that it takes. */
export class Queue implements AsyncDisposable {
  readonly #client: AwsClient;
  readonly #opening: AwsOpening & { readonly metadata: QueueMetadata };
  #url: Promise<string> | undefined;
  #mayNotCount: BindingError | undefined;

  private constructor(
    client: AwsClient,
    opening: AwsOpening & { readonly metadata: QueueMetadata },
  ) {
    this.#client = client;
    this.#opening = opening;
  }

  /** Asks nobody yet. */
  static async open(opening: AwsOpening & { readonly metadata: QueueMetadata }): Promise<Queue> {
    return new Queue(await AwsClient.open(opening, service), opening);
  }

  get name(): string {
    return this.#opening.metadata.queueName;
  }

  /** Whether the messages of a group stay in order. */
  get isFifo(): boolean {
    return this.name.endsWith(".fifo");
  }

  /** What it is known by. */
  get identity(): string {
    return `${this.#client.endpoint} ${this.#opening.metadata.queueOwnerAccountId ?? ""} ${this.name}`;
  }

  /** Its URL, asked for once. */
  url(signal: AbortSignal): Promise<string> {
    if (this.#url === undefined) {
      const asked = this.#findUrl(signal);
      asked.catch(() => {
        if (this.#url === asked) this.#url = undefined;
      });
      this.#url = asked;
    }
    return this.#url;
  }

  /** Rejects with a `BindingError` where it is not there, or this user may not look. */
  async find(signal: AbortSignal): Promise<void> {
    const { queueName, queueOwnerAccountId } = this.#opening.metadata;
    const owner = queueOwnerAccountId ? { QueueOwnerAWSAccountId: queueOwnerAccountId } : {};
    const wanted = { QueueName: queueName, ...owner };
    const { QueueUrl } = await this.#json<{ QueueUrl?: string }>("GetQueueUrl", wanted, signal);
    if (QueueUrl && !queueOwnerAccountId) this.#url = Promise.resolve(QueueUrl);
  }

  /** Resolves where the queue is there, as far as this user may know. */
  async probe(signal: AbortSignal): Promise<void> {
    try {
      await this.find(signal);
    } catch (error) {
      // The service is there, and has said who may ask what.
      if (!(error instanceof BindingError) || error.reason !== "permission_denied") throw error;
    }
  }

  async send(message: object, signal: AbortSignal): Promise<void> {
    await this.#call("SendMessage", message, signal);
  }

  async receive(
    request: { wait: number; visibility: number; most: number; attempt: string | undefined },
    signal: AbortSignal,
  ): Promise<readonly ReceivedMessage[]> {
    const answer = await this.#call<{ Messages?: readonly ReceivedMessage[] | null }>(
      "ReceiveMessage",
      {
        MaxNumberOfMessages: request.most,
        WaitTimeSeconds: request.wait,
        VisibilityTimeout: request.visibility,
        MessageSystemAttributeNames: ["All"],
        // The name of the same before 2023, which servers of others know.
        AttributeNames: ["All"],
        MessageAttributeNames: ["All"],
        ...(request.attempt === undefined ? {} : { ReceiveRequestAttemptId: request.attempt }),
      },
      signal,
    );
    return answer.Messages ?? [];
  }

  /** Deletes messages by their receipts, ten at most. */
  delete(receipts: readonly string[], signal: AbortSignal): Promise<readonly EntryFailure[]> {
    const entries = receipts.map((ReceiptHandle) => ({ ReceiptHandle }));
    return this.#batch("DeleteMessageBatch", entries, signal);
  }

  /** Sets for how many seconds from now on messages are hidden, ten at most. */
  hideFor(
    entries: readonly { readonly receipt: string; readonly seconds: number }[],
    signal: AbortSignal,
  ): Promise<readonly EntryFailure[]> {
    const written = entries.map(({ receipt, seconds }) => ({
      ReceiptHandle: receipt,
      VisibilityTimeout: seconds,
    }));
    return this.#batch("ChangeMessageVisibilityBatch", written, signal);
  }

  /** How many messages wait, where this user may know; it is not asked again where he may not. */
  async count(signal: AbortSignal): Promise<number> {
    if (this.#mayNotCount !== undefined) throw this.#mayNotCount;
    try {
      const { Attributes } = await this.#call<{ Attributes?: Record<string, string> }>(
        "GetQueueAttributes",
        { AttributeNames: ["ApproximateNumberOfMessages"] },
        signal,
      );
      return Number(Attributes?.["ApproximateNumberOfMessages"] ?? 0);
    } catch (error) {
      if (error instanceof BindingError && error.reason === "permission_denied")
        this.#mayNotCount = error;
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client[Symbol.asyncDispose]();
  }

  async #call<Answer extends object>(
    operation: string,
    input: object,
    signal: AbortSignal,
  ): Promise<Answer> {
    const QueueUrl = await this.url(signal);
    try {
      return await this.#json(operation, { QueueUrl, ...input }, signal);
    } catch (error) {
      // It may be made anew under another URL.
      if (error instanceof BindingError && error.reason === "not_found") this.#url = undefined;
      throw error;
    }
  }

  async #batch(
    operation: string,
    entries: readonly object[],
    signal: AbortSignal,
  ): Promise<readonly EntryFailure[]> {
    const Entries = entries.map((entry, at) => ({ Id: String(at), ...entry }));
    const answer = await this.#call<BatchAnswer>(operation, { Entries }, signal);
    const failures = new Map(
      (answer.Failed ?? []).map((one) => [one.Id, this.#entryFailure(operation, one)]),
    );
    const done = new Set((answer.Successful ?? []).map(({ Id }) => Id));
    return entries.map((_entry, at) => {
      const id = String(at);
      if (failures.has(id)) return failures.get(id);
      if (done.has(id)) return undefined;
      return new BindingError("internal", `operation error SQS: ${operation}, entry not answered`, {
        effect: "ambiguous",
      });
    });
  }

  #entryFailure(
    operation: string,
    { Code = "", Message = "", SenderFault = false }: FailedEntry,
  ): BindingError {
    const { reason, effect } = meaningOf(Code.replace(/^.*\./, ""), SenderFault);
    return new BindingError(
      reason,
      `operation error SQS: ${operation}, api error ${Code}: ${Message}`,
      { effect, systemCode: Code },
    );
  }

  async #findUrl(signal: AbortSignal): Promise<string> {
    const { queueName, queueOwnerAccountId } = this.#opening.metadata;
    if (queueOwnerAccountId) return this.#urlIn(queueOwnerAccountId);
    try {
      const { QueueUrl } = await this.#json<{ QueueUrl?: string }>(
        "GetQueueUrl",
        { QueueName: queueName },
        signal,
      );
      return QueueUrl ?? "";
    } catch (error) {
      if (!(error instanceof BindingError) || error.reason !== "permission_denied") throw error;
      // Who may only send has its URL all the same: it is made of the account and the name.
      return this.#urlIn((await this.#ownAccount(error, signal)) ?? "");
    }
  }

  #urlIn(account: string): string {
    return `${this.#client.endpoint}/${account}/${this.name}`;
  }

  /** The account of the credentials: the refusal names it, or the security token service, which anyone may ask. */
  async #ownAccount(refusal: BindingError, signal: AbortSignal): Promise<string> {
    const named = /arn:[\w-]+:sqs:[\w-]*:(\d{12}):/.exec(refusal.message)?.[1];
    if (named !== undefined) return named;
    const { endpoint: _ofTheQueue, ...metadata } = this.#opening.metadata;
    const opening = { ...this.#opening, metadata: { ...metadata, endpoint: undefined } };
    await using client = await AwsClient.open(opening, sts);
    const identity = await client
      .query({ operation: "GetCallerIdentity", version: "2011-06-15" }, {}, signal)
      .catch(() => undefined);
    const account = textAt(identity, "Account");
    if (account) return account;
    throw new BindingError(
      refusal.reason,
      `${refusal.message}; allow sqs:GetQueueUrl, or set queueOwnerAccountId of ${metadata.queueName}`,
      { effect: "unsent", systemCode: refusal.systemCode, cause: refusal },
    );
  }

  #json<Answer extends object>(
    operation: string,
    input: object,
    signal: AbortSignal,
  ): Promise<Answer> {
    const target = { prefix: "AmazonSQS", operation, version: "1.0" } as const;
    return this.#client.json<Answer>(target, input, signal, { maxBody: largestAnswer });
  }
}

type BatchAnswer = {
  readonly Successful?: readonly { readonly Id: string }[] | null;
  readonly Failed?: readonly FailedEntry[] | null;
};

type FailedEntry = {
  readonly Id: string;
  readonly Code?: string;
  readonly Message?: string;
  readonly SenderFault?: boolean;
};
