import { setTimeout as pause } from "node:timers/promises";
import { BindingError } from "../../errors.ts";
import { mayPassLater } from "../../grpc-service/failure.ts";
import type { GrpcService } from "../../grpc-service/service.ts";
import { gateway, type ActivatedJob } from "./messages.ts";

/** What the gateway is to be told of a job. */
export type Told =
  | { readonly kind: "complete"; readonly variables: string }
  | {
      readonly kind: "fail";
      readonly retries: number;
      readonly errorMessage: string;
      /** Milliseconds. */
      readonly retryBackOff: number;
    };

/** What may pass is tried again so long, in milliseconds, with pauses that double. */
const patience = 20_000;
const firstPause = 100;
const longestPause = 3_000;
const callTimeout = 10_000;
/** The most characters of an error message; the engine keeps it with the job. */
const longestMessage = 4_000;
/** More than are out at one time. */
const mostUnconfirmed = 4_096;

/**
 * Jobs whose completion the gateway has not confirmed, by key. It outlives the connection: one that is handed out again
 * meanwhile is completed again, and not handled again.
 */
export class UnconfirmedJobs {
  readonly #jobs = new Map<bigint, Told>();

  /** Those of a worker, in this process. */
  static of(identity: string): UnconfirmedJobs {
    const known = byIdentity.get(identity) ?? new UnconfirmedJobs();
    byIdentity.set(identity, known);
    return known;
  }

  get(key: bigint): Told | undefined {
    return this.#jobs.get(key);
  }

  add(key: bigint, told: Told): void {
    this.#jobs.set(key, told);
    if (this.#jobs.size <= mostUnconfirmed) return;
    const [oldest = key] = this.#jobs.keys();
    this.#jobs.delete(oldest);
  }

  delete(key: bigint): void {
    this.#jobs.delete(key);
  }
}

/** Told of each that was not confirmed. */
type Failed = (error: BindingError, job: ActivatedJob, told: Told) => void;

const byIdentity = new Map<string, UnconfirmedJobs>();

/** Tells a gateway what became of jobs, each by a call of its own. */
export class Confirmations {
  readonly #service: GrpcService;
  readonly #unconfirmed: UnconfirmedJobs;
  readonly #failed: Failed;
  readonly #running = new Set<Promise<void>>();
  readonly #ended = new AbortController();

  constructor(service: GrpcService, unconfirmed: UnconfirmedJobs, failed: Failed) {
    this.#service = service;
    this.#unconfirmed = unconfirmed;
    this.#failed = failed;
  }

  tell(job: ActivatedJob, told: Told): void {
    if (told.kind === "complete") this.#unconfirmed.add(job.key, told);
    const run = this.#tell(job, told).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  /** Resolves when all that was told is answered. Never rejects. */
  async flush(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Gives up what is under way. */
  close(): void {
    this.#ended.abort();
  }

  async #tell(job: ActivatedJob, told: Told): Promise<void> {
    const jobKey = job.key;
    const { signal } = this.#ended;
    const giveUp = performance.now() + patience;
    for (let wait = firstPause; ; wait = Math.min(2 * wait, longestPause)) {
      try {
        await this.#call(jobKey, told, signal);
        this.#unconfirmed.delete(jobKey);
        return;
      } catch (error) {
        const failure = BindingError.from(error, "unavailable");
        const isOver = signal.aborted || performance.now() > giveUp;
        if (isOver || !mayPassLater(failure)) {
          // What is refused for good need not be told again.
          if (failure.effect === "rejected") this.#unconfirmed.delete(jobKey);
          return this.#failed(failure, job, told);
        }
        await pause(wait, undefined, { signal, ref: false }).catch(() => {});
      }
    }
  }

  async #call(jobKey: bigint, told: Told, signal: AbortSignal): Promise<void> {
    const options = { signal, timeout: callTimeout };
    if (told.kind === "complete") {
      const values = { jobKey, variables: told.variables };
      const what = `completing job ${jobKey}`;
      await this.#service.call(gateway.completeJob, values, { ...options, what });
      return;
    }
    const values = {
      ...{ jobKey, retries: told.retries },
      errorMessage: told.errorMessage.slice(0, longestMessage),
      retryBackOff: BigInt(Math.ceil(told.retryBackOff)),
    };
    const what = `failing job ${jobKey}`;
    await this.#service.call(gateway.failJob, values, { ...options, what });
  }
}
