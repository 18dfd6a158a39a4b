import { setTimeout as pause } from "node:timers/promises";
import { orAborted } from "../../abortable.ts";
import type { InboundEvent, Reader, Reading, Settlement } from "../../binding.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { GrpcService } from "../../grpc-service/service.ts";
import { TurnoverMap } from "../../memory/turnover-map.ts";
import { Confirmations, UnconfirmedJobs, type Told } from "./confirmations.ts";
import { jobMetadata, replyVariables } from "./job-event.ts";
import { gateway, type ActivatedJob } from "./messages.ts";

export type WorkerOptions = {
  readonly service: GrpcService;
  readonly jobType: string;
  readonly workerName: string;
  /** Milliseconds for which the gateway leaves a job here. */
  readonly workerTimeout: number;
  /** Milliseconds that the gateway waits for a job; below zero it does not. */
  readonly requestTimeout: number;
  readonly maxJobsActive: number;
  readonly concurrency: number;
  /** Milliseconds between two questions that brought nothing. */
  readonly pollInterval: number;
  /** More jobs are asked for when no more than so many are here. */
  readonly threshold: number;
  readonly fetchVariables: readonly string[];
  readonly autocomplete: boolean;
  /** Milliseconds. */
  readonly retryBackOff: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- the metadata are not read here
  readonly reading: Reading<any>;
};

/** The deadline of a call is so much later than the gateway's own, in milliseconds. */
const answerOffset = 10_000;
const firstPause = 100;
const longestPause = 5_000;
const mostFailures = 5;
/** So long, in milliseconds, what is under way is waited for at the end. */
const farewell = 1_500;
/** These pass by themselves: the engine is under load. */
const passing = new Set(["RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"]);
/** These may pass. */
const transient = new Set(["UNAVAILABLE", "INTERNAL", "CANCELLED", "UNKNOWN", "ABORTED"]);
const extendTimeout = 10_000;
/** Engines before 8.4 have no such command, and a client may not be allowed to: the job is here until its time is over. */
const unable = new Set(["UNIMPLEMENTED", "PERMISSION_DENIED"]);

/** Takes jobs of one type as long as there is room, and holds them while they are handled. */
export class JobWorker implements Reader {
  readonly #options: WorkerOptions;
  readonly #confirmations: Confirmations;
  readonly #unconfirmed: UnconfirmedJobs;
  readonly #held = new TurnoverMap<string, ActivatedJob>();
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;
  readonly #holding: NodeJS.Timeout;
  /** Taken, and waiting for their turn. */
  #waiting: ActivatedJob[] = [];
  #out = 0;
  #parked = 0;
  #settled = Promise.withResolvers<void>();
  #failure: BindingError | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { service, jobType, reading } = options;
    const owner = [service.name, jobType, reading.component.appId, reading.component.name];
    this.#unconfirmed = UnconfirmedJobs.of(JSON.stringify(owner));
    this.#confirmations = new Confirmations(service, this.#unconfirmed, (...why) =>
      this.#notConfirmed(...why),
    );
    this.#holding = setInterval(() => this.#holdWaiting(), options.workerTimeout / 3).unref();
    this.#ended = this.#run();
  }

  credit(events: number): void {
    // What waits for a retry leaves room for others.
    this.#parked = Math.max(0, events - this.#options.reading.maxInFlight);
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#holding);
    await this.#ended;
    for (const job of this.#waiting.splice(0)) {
      this.#held.delete(String(job.key));
      this.#giveBack(job, 0);
    }
  }

  async flush(): Promise<void> {
    await this.#confirmations.flush();
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#holding);
    // Given back now, what nobody has settled need not wait for its timeout.
    for (const job of this.#held.values()) this.#giveBack(job, 0);
    this.#held.clear();
    const late = new AbortController();
    const flushed = this.#confirmations.flush();
    await Promise.race([flushed, pause(farewell, undefined, { signal: late.signal })]);
    late.abort();
    this.#confirmations.close();
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { threshold, pollInterval, reading } = this.#options;
    const { signal } = this.#stopping;
    for (let failures = 0; !this.#isStopped;) {
      const room = this.#room();
      if (room <= 0 || this.#held.size - this.#parked > threshold) {
        await orAborted(this.#settled.promise, signal);
        continue;
      }
      try {
        const brought = await this.#poll(room);
        failures = 0;
        if (!brought) await rest(pollInterval, signal);
      } catch (error) {
        if (this.#isStopped) return;
        const failure = BindingError.from(error, "unavailable");
        const status = failure.systemCode ?? "";
        failures += 1;
        const isTransient = transient.has(status) && failures <= mostFailures;
        if (!passing.has(status) && !isTransient) return reading.lost(failure);
        reading.logger.debug({ reason: failure.message }, "no jobs could be taken; trying again");
        await rest(Math.min(firstPause * 2 ** failures, longestPause), signal);
      }
    }
  }

  #room(): number {
    const { maxJobsActive } = this.#options;
    return maxJobsActive + this.#parked - this.#held.size;
  }

  /** False: there were none. */
  async #poll(room: number): Promise<boolean> {
    const { service, jobType, workerName, workerTimeout, requestTimeout } = this.#options;
    const values = {
      ...{ type: jobType, worker: workerName, maxJobsToActivate: room },
      ...{ timeout: BigInt(workerTimeout), requestTimeout: BigInt(requestTimeout) },
      fetchVariable: this.#options.fetchVariables,
    };
    const timeout = Math.max(0, requestTimeout) + answerOffset;
    const what = `taking jobs of type ${JSON.stringify(jobType)}`;
    const call = { what, signal: this.#stopping.signal, timeout };
    let brought = false;
    for await (const { jobs } of service.answers(gateway.activateJobs, values, call)) {
      brought ||= jobs.length > 0;
      for (const job of jobs) this.#take(job);
      this.#hand();
    }
    return brought;
  }

  #take(job: ActivatedJob): void {
    const key = String(job.key);
    const told = this.#unconfirmed.get(job.key);
    if (told !== undefined) return this.#confirmations.tell(job, told);
    // If it is here already, its timeout was missed.
    const isHeld = this.#held.get(key) !== undefined;
    this.#held.set(key, job);
    if (!isHeld) this.#waiting.push(job);
  }

  /** Hands over as many as may be with the app at one time. */
  #hand(): void {
    const { concurrency, reading } = this.#options;
    const free = Math.min(concurrency, reading.maxInFlight) + this.#parked - this.#out;
    if (free <= 0 || this.#isStopped) return;
    const events = this.#waiting.splice(0, free).flatMap((job) => this.#eventOf(job) ?? []);
    this.#out += events.length;
    if (events.length === 0) return;
    reading.deliver(events).catch((error: unknown) => {
      if (!this.#isStopped) reading.lost(BindingError.from(error));
    });
  }

  #eventOf(job: ActivatedJob): InboundEvent | undefined {
    const { autocomplete, workerTimeout } = this.#options;
    const key = String(job.key);
    try {
      return {
        data: Buffer.from(job.variables),
        metadata: jobMetadata(job, autocomplete),
        headers: [],
        id: key,
        settle: (settlement) => this.#settle(key, settlement),
        lease: { duration: workerTimeout, extend: () => this.#extend(job.key) },
      };
    } catch (error) {
      this.#held.delete(key);
      this.#fail(job, messageOf(error));
      return undefined;
    }
  }

  #settle(key: string, settlement: Settlement): void {
    const job = this.#held.get(key);
    if (job === undefined) return;
    this.#held.delete(key);
    this.#out -= 1;
    if (settlement.outcome === "handled") this.#handled(job, settlement);
    else if (settlement.unattempted === true) this.#giveBack(job, settlement.after ?? 0);
    else this.#fail(job, settlement.reason, settlement.after);
    this.#wake();
    this.#hand();
  }

  #handled(job: ActivatedJob, { reply, movedTo }: Settlement & { outcome: "handled" }): void {
    if (movedTo !== undefined) {
      // The process must not go on as if it had been done: an incident waits for whoever looks after it.
      const where = movedTo === "dead letters" ? movedTo : `the output ${movedTo.output}`;
      const errorMessage = `the app has not handled the job; it was moved to ${where}`;
      this.#confirmations.tell(job, {
        ...{ kind: "fail", retries: 0, errorMessage, retryBackOff: 0 },
      });
      return;
    }
    if (!this.#options.autocomplete) return;
    try {
      const variables = replyVariables(reply?.data);
      this.#confirmations.tell(job, { kind: "complete", variables });
    } catch (error) {
      this.#fail(job, messageOf(error));
    }
  }

  #fail(job: ActivatedJob, errorMessage: string, after = 0): void {
    const retryBackOff = Math.max(after, this.#options.retryBackOff);
    const retries = job.retries - 1;
    this.#confirmations.tell(job, { kind: "fail", retries, errorMessage, retryBackOff });
  }

  /** Its retries stay as they are: nobody has tried it. */
  #giveBack(job: ActivatedJob, retryBackOff: number): void {
    const errorMessage = "given back by the worker, which had not begun it";
    const { retries } = job;
    this.#confirmations.tell(job, { kind: "fail", retries, errorMessage, retryBackOff });
  }

  async #extend(jobKey: bigint): Promise<void> {
    const { service, workerTimeout } = this.#options;
    const values = { jobKey, timeout: BigInt(workerTimeout) };
    const what = `holding job ${jobKey}`;
    try {
      await service.call(gateway.updateJobTimeout, values, { what, timeout: extendTimeout });
    } catch (error) {
      const failure = BindingError.from(error, "unavailable");
      const { systemCode = "" } = failure;
      if (!unable.has(systemCode)) throw failure;
      throw new BindingError(failure.reason, failure.message, { effect: "unsent", systemCode });
    }
  }

  /** What waits for its turn is held on to as well. */
  #holdWaiting(): void {
    for (const job of this.#waiting)
      this.#extend(job.key).catch((error: unknown) => {
        if (!(error instanceof BindingError) || error.effect !== "rejected") return;
        const at = this.#waiting.indexOf(job);
        if (at === -1) return;
        this.#waiting.splice(at, 1);
        this.#held.delete(String(job.key));
        this.#wake();
      });
  }

  #notConfirmed(error: BindingError, job: ActivatedJob, told: Told): void {
    const facts = { jobKey: String(job.key), reason: error.message };
    const { logger, lost } = this.#options.reading;
    const isRefused = error.effect === "rejected";
    if (isRefused && error.reason === "not_found") {
      logger.debug(facts, "a job is not there any more");
    } else if (isRefused && error.reason === "failed_precondition") {
      logger.warn(facts, "the engine does not take what became of a job");
    } else if (isRefused && error.reason === "invalid_argument" && told.kind === "complete") {
      this.#fail(job, error.message);
    } else {
      this.#failure ??= error;
      if (!this.#isStopped) lost(error);
    }
  }

  #wake(): void {
    this.#settled.resolve();
    this.#settled = Promise.withResolvers();
  }
}

async function rest(milliseconds: number, signal: AbortSignal): Promise<void> {
  await pause(milliseconds, undefined, { signal, ref: false }).catch(() => undefined);
}
