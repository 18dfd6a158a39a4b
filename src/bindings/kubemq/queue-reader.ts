import { randomUUID } from "node:crypto";
import { orAborted } from "../../abortable.ts";
import type { InboundEvent, Reader, Reading, Settlement } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { failureOf } from "../../grpc-service/failure.ts";
import type { GrpcService } from "../../grpc-service/service.ts";
import { TurnoverMap } from "../../memory/turnover-map.ts";
import { longestTimer } from "../../metadata/duration.ts";
import {
  ask,
  kubemqMethods,
  type DownstreamRequest,
  type DownstreamResponse,
  type QueueMessage,
} from "./messages.ts";
import { OutgoingRequests } from "./outgoing-requests.ts";

export type QueueReaderOptions = {
  readonly service: GrpcService;
  readonly channel: string;
  readonly clientId: string;
  readonly autoAck: boolean;
  /** The most messages of one answer. */
  readonly maxItems: number;
  /** Milliseconds that the server waits for a message. */
  readonly wait: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- the metadata are not read here
  readonly reading: Reading<any>;
};

/** A message that the runtime has, with the transaction that it came in. */
type Held = {
  readonly transaction: string;
  readonly sequence: bigint;
  timer: NodeJS.Timeout | undefined;
};

/** So long, in milliseconds, an answer that the server gives at once is waited for. */
const answerTimeout = 10_000;
/** A server that does not tell of a transaction has taken what it was told all the same. */
const flushTimeout = 1_000;
const { queuesDownstream } = kubemqMethods;

/** Reads a queue over one stream; each answer to a question is a transaction, whose messages are settled one by one. */
export class QueueReader implements Reader {
  readonly #options: QueueReaderOptions;
  readonly #requests = new OutgoingRequests();
  readonly #held = new TurnoverMap<string, Held>();
  /** Transactions in which something was told since the server last said where they are. */
  readonly #told = new Set<string>();
  readonly #asked = new Map<string, (answer: DownstreamResponse) => void>();
  readonly #stopping = new AbortController();
  readonly #closing = new AbortController();
  readonly #ended: Promise<void>;
  readonly #polling: Promise<void>;
  #credit: number;
  #isOver = false;
  #room = Promise.withResolvers<void>();
  #failure: BindingError | undefined;

  constructor(options: QueueReaderOptions) {
    this.#options = options;
    this.#credit = options.reading.maxInFlight;
    this.#ended = this.#run();
    this.#polling = this.#poll();
  }

  credit(events: number): void {
    this.#credit = events;
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#polling;
  }

  async flush(): Promise<void> {
    // The server does what it is asked in order, so that an answer shows that what was told before is done.
    const transactions = [...this.#told];
    this.#told.clear();
    const request = { requestTypeData: ask.activeOffsets, channel: this.#options.channel };
    const open = transactions.map((refTransactionId) =>
      this.#ask({ ...request, refTransactionId }, flushTimeout, () => undefined),
    );
    await Promise.all(open);
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    for (const held of this.#held.values()) {
      clearTimeout(held.timer);
      this.#tell(ask.nackRange, held);
    }
    this.#held.clear();
    await this.flush().catch(() => undefined);
    this.#closing.abort();
    this.#requests.end();
    await this.#ended;
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { service, channel } = this.#options;
    const what = `reading ${JSON.stringify(channel)}`;
    try {
      const call = { what, signal: this.#closing.signal };
      const stream = await service.open(queuesDownstream, this.#requests.messages(), call);
      for await (const bytes of stream.messages)
        this.#take(queuesDownstream.response.decode(bytes));
      this.#lost(new BindingError("unavailable", `${what}: the server ended it`));
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#lost(failureOf(error, what));
    } finally {
      this.#isOver = true;
      this.#stopping.abort();
      for (const answer of this.#asked.values()) answer(noAnswer);
    }
  }

  /** Asks for messages while there is room. Never rejects. */
  async #poll(): Promise<void> {
    const { channel, autoAck, maxItems, wait, reading } = this.#options;
    const { signal } = this.#stopping;
    while (!this.#isStopped) {
      const room = this.#credit - this.#held.size;
      if (room <= 0) {
        await orAborted(this.#room.promise, signal);
        continue;
      }
      const items = Math.min(maxItems, room);
      const request = { requestTypeData: ask.get, channel, autoAck, maxItems: items };
      const silent = (): void => {
        const text = `KubeMQ at ${this.#options.service.name} does not answer`;
        this.#lost(new BindingError("unavailable", text));
      };
      const asked = this.#ask({ ...request, waitTimeout: wait }, wait + answerTimeout, silent);
      const answer = await orAborted(asked, signal);
      if (answer === undefined || answer === noAnswer) return;
      if (answer.isError) {
        const text = `reading ${JSON.stringify(channel)}: ${answer.error}`;
        return this.#lost(new BindingError("failed_precondition", text));
      }
      const events = answer.messages.map((message) => this.#eventOf(answer, message));
      if (events.length === 0) continue;
      await orAborted(
        reading.deliver(events).catch((error: unknown) => this.#lost(BindingError.from(error))),
        signal,
      );
    }
  }

  #take(answer: DownstreamResponse): void {
    const asked = this.#asked.get(answer.refRequestId);
    this.#asked.delete(answer.refRequestId);
    if (answer.transactionComplete) this.#told.delete(answer.transactionId);
    const isGet = answer.requestTypeData === ask.get;
    if (asked !== undefined && !(isGet && this.#isStopped)) return asked(answer);
    // What comes too late to be handed over is given back at once.
    if (isGet && !this.#options.autoAck)
      for (const { attributes } of answer.messages)
        this.#tell(ask.nackRange, {
          transaction: answer.transactionId,
          sequence: attributes?.sequence ?? 0n,
        });
    else if (answer.isError && !answer.transactionComplete) this.#notSettled(answer);
  }

  #notSettled({ error }: DownstreamResponse): void {
    const text = `settling in ${JSON.stringify(this.#options.channel)}: ${error}`;
    const failure = new BindingError("failed_precondition", text);
    this.#failure ??= failure;
    this.#lost(failure);
  }

  #eventOf(
    { transactionId: transaction }: DownstreamResponse,
    { messageID, body, tags, attributes }: QueueMessage,
  ): InboundEvent {
    const { autoAck } = this.#options;
    const sequence = attributes?.sequence ?? 0n;
    const attempt = attributes?.receiveCount ?? 0;
    const key = `${transaction}/${sequence}`;
    if (!autoAck) this.#held.set(key, { transaction, sequence, timer: undefined });
    return {
      data: body,
      metadata: {},
      headers: [...tags].map(([name, value]) => ({ name, value: Buffer.from(value) })),
      id: messageID,
      attempt: attempt === 0 ? undefined : attempt,
      redelivered: attempt === 1 ? false : undefined,
      settle: (settlement) => this.#settle(key, settlement),
    };
  }

  #settle(key: string, settlement: Settlement): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    const after = settlement.outcome === "returned" ? (settlement.after ?? 0) : 0;
    const settled = (): void => {
      this.#held.delete(key);
      this.#tell(settlement.outcome === "handled" ? ask.ackRange : ask.nackRange, held);
      this.#wake();
    };
    // The server has no pause of its own.
    if (after > 0 && !this.#isStopped)
      held.timer = setTimeout(settled, Math.min(after, longestTimer)).unref();
    else settled();
  }

  #tell(
    requestTypeData: number,
    { transaction, sequence }: Pick<Held, "transaction" | "sequence">,
  ): void {
    this.#told.add(transaction);
    const { channel } = this.#options;
    this.#send({
      ...{ requestTypeData, channel, refTransactionId: transaction },
      ...{ requestID: randomUUID(), sequenceRange: [sequence] },
    });
  }

  /** Resolves with the answer, or with {@link noAnswer} where none comes in time, or at the end of the stream. */
  #ask(
    request: Partial<DownstreamRequest>,
    timeout: number,
    silent: () => void,
  ): Promise<DownstreamResponse> {
    if (this.#isOver) return Promise.resolve(noAnswer);
    const requestID = randomUUID();
    const { promise, resolve } = Promise.withResolvers<DownstreamResponse>();
    const timer = setTimeout(() => {
      this.#asked.delete(requestID);
      silent();
      resolve(noAnswer);
    }, timeout).unref();
    this.#asked.set(requestID, (answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
    this.#send({ ...request, requestID });
    return promise;
  }

  #send(request: Partial<DownstreamRequest>): void {
    const { clientId: clientID } = this.#options;
    this.#requests.send(queuesDownstream.request.encode({ ...request, clientID }));
  }

  #lost(error: BindingError): void {
    if (!this.#closing.signal.aborted) this.#options.reading.lost(error);
    this.#stopping.abort();
  }

  #wake(): void {
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }
}

const noAnswer = queuesDownstream.response.decode(new Uint8Array());
