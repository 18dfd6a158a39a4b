import { Code, GrpcFailure } from "../../../src/grpc/status.ts";
import { Journal, type Job, type Process } from "./journal.ts";

type Finished = { readonly variables: string };

const wholeSecond = 1_000;

/**
 * What Zeebe's engine does with processes of one service task, by its documentation: versions, instances, jobs with their
 * timeouts, retries, back-off and incidents, messages by their ids. Kept on disk.
 */
export class Engine {
  readonly processes = new Map<bigint, Process>();
  readonly jobs = new Map<bigint, Job>();
  /** The jobs of which incidents tell. */
  readonly incidents = new Map<bigint, bigint>();
  readonly messages = new Set<string>();
  readonly #journal: Journal;
  readonly #changes = new EventTarget();
  readonly #finished = new Map<bigint, (finished: Finished) => void>();
  // Beyond what a double can tell apart.
  #key = 9_007_199_254_740_992n;

  constructor(file: string | undefined) {
    this.#journal = new Journal(file);
    for (const entry of this.#journal.read()) {
      if (entry.kind === "process") this.processes.set(entry.process.key, entry.process);
      else if (entry.kind === "job") this.jobs.set(entry.job.key, entry.job);
      else if (entry.kind === "incident") this.incidents.set(entry.key, entry.job);
      else if (entry.kind === "solved") this.incidents.delete(entry.key);
      else this.jobs.delete(entry.key);
      this.#key = entry.highest > this.#key ? entry.highest : this.#key;
    }
    setInterval(() => this.#changed(), wholeSecond / 20).unref();
  }

  deploy(resourceName: string, content: string): Process {
    const bpmnProcessId = /<(?:bpmn:)?process[^>]*\bid="([^"]+)"/.exec(content)?.[1];
    if (bpmnProcessId === undefined)
      throw rejected(Code.invalidArgument, `'${resourceName}': no process was found`);
    const versions = [...this.processes.values()].filter(
      (one) => one.bpmnProcessId === bpmnProcessId,
    );
    const definition = /<zeebe:taskDefinition([^>]*)>/.exec(content)?.[1];
    const headers = [...content.matchAll(/<zeebe:header key="([^"]*)" value="([^"]*)"/g)];
    const process: Process = {
      ...{ key: this.#next(), bpmnProcessId, version: versions.length + 1, resourceName },
      task:
        definition === undefined
          ? undefined
          : {
              elementId: /<(?:bpmn:)?serviceTask[^>]*\bid="([^"]+)"/.exec(content)?.[1] ?? "task",
              type: /\btype="([^"]*)"/.exec(definition)?.[1] ?? "",
              retries: Number(/\bretries="(\d+)"/.exec(definition)?.[1] ?? 3),
              headers: JSON.stringify(
                Object.fromEntries(headers.map(([, name = "", value = ""]) => [name, value])),
              ),
            },
    };
    this.processes.set(process.key, process);
    this.#journal.note({ kind: "process", process, highest: this.#key });
    return process;
  }

  create(
    { key, id, version }: { key: bigint; id: string; version: number },
    variables: string,
  ): { process: Process; instance: bigint; finished: Promise<Finished> } {
    const found =
      id === ""
        ? this.processes.get(key)
        : [...this.processes.values()]
            .filter((one) => one.bpmnProcessId === id)
            .findLast((one) => version === -1 || one.version === version);
    if (found === undefined) {
      const which = id === "" ? `key '${key}'` : `process ID '${id}'`;
      throw command(
        "CREATE",
        "NOT_FOUND",
        `Expected to find process definition with ${which}, but none found`,
      );
    }
    // What begins with `raw` takes any text, for tests of what jobs may carry.
    if (!found.bpmnProcessId.startsWith("raw")) checkVariables(variables);
    const instance = this.#next();
    const finished = Promise.withResolvers<Finished>();
    this.#finished.set(instance, finished.resolve);
    const { task } = found;
    if (task === undefined) finished.resolve({ variables: variables || "{}" });
    else {
      this.#put({
        ...{ key: this.#next(), instance, process: found.key, type: task.type },
        ...{ state: "activatable", retries: task.retries, variables: variables || "{}" },
        ...{ worker: "", deadline: 0 },
      });
    }
    return { process: found, instance, finished: finished.promise };
  }

  cancel(instance: bigint): void {
    const job = [...this.jobs.values()].find((one) => one.instance === instance);
    if (job === undefined)
      throw command(
        "CANCEL",
        "NOT_FOUND",
        `Expected to cancel a process instance with key '${instance}', but no such process was found`,
      );
    this.#remove(job.key);
  }

  /** Jobs that can be given out now, at most so many. */
  activate(type: string, most: number, worker: string, timeout: number): Job[] {
    const now = Date.now();
    const ready = [...this.jobs.values()].filter(
      (job) =>
        job.type === type &&
        job.retries > 0 &&
        (job.state === "activatable" ||
          ((job.state === "activated" || job.state === "failed") && job.deadline <= now)),
    );
    const given = ready.slice(0, most);
    for (const job of given) {
      Object.assign(job, { state: "activated", worker, deadline: now + timeout });
      this.#put(job);
    }
    return given;
  }

  complete(key: bigint, variables: string): void {
    const job = this.#job("COMPLETE", "complete", key);
    checkVariables(variables);
    if (job.state === "failed" && job.retries <= 0)
      throw command(
        "COMPLETE",
        "INVALID_STATE",
        `Expected to complete job with key '${key}', but it is in state 'FAILED'`,
      );
    const all = { ...object(job.variables), ...object(variables) };
    this.#remove(key);
    this.#finished.get(job.instance)?.({ variables: JSON.stringify(all) });
    this.#finished.delete(job.instance);
  }

  fail(key: bigint, retries: number, backOff: number): void {
    const job = this.#job("FAIL", "fail", key);
    if (job.state !== "activated")
      throw command(
        "FAIL",
        "INVALID_STATE",
        `Expected to fail job with key '${key}', but it is in state '${job.state.toUpperCase()}'`,
      );
    Object.assign(job, { retries, state: "failed", deadline: Date.now() + backOff });
    this.#put(job);
    if (retries > 0) return;
    const incident = this.#next();
    this.incidents.set(incident, key);
    this.#journal.note({ kind: "incident", key: incident, job: key, highest: this.#key });
  }

  throwError(key: bigint): void {
    const job = this.#job("THROW_ERROR", "throw an error for", key);
    Object.assign(job, { state: "error" });
    this.#put(job);
  }

  setRetries(key: bigint, retries: number): void {
    if (retries < 1)
      throw command(
        "UPDATE_RETRIES",
        "INVALID_ARGUMENT",
        `Expected to update retries for job with key '${key}' with a positive amount of retries, but the amount given was '${retries}'`,
      );
    const job = this.#job("UPDATE_RETRIES", "update retries for", key);
    Object.assign(job, { retries });
    this.#put(job);
  }

  setTimeout(key: bigint, timeout: number): void {
    const job = this.#job("UPDATE_TIMEOUT", "update the timeout of", key);
    if (job.state !== "activated" || job.deadline <= Date.now())
      throw command(
        "UPDATE_TIMEOUT",
        "INVALID_STATE",
        `Expected to update the timeout of job with key '${key}', but it is not active`,
      );
    Object.assign(job, { deadline: Date.now() + timeout });
    this.#put(job);
  }

  resolve(incident: bigint): void {
    const job = this.jobs.get(this.incidents.get(incident) ?? 0n);
    if (job === undefined)
      throw command(
        "RESOLVE",
        "NOT_FOUND",
        `Expected to resolve incident with key '${incident}', but no such incident was found`,
      );
    this.incidents.delete(incident);
    this.#journal.note({ kind: "solved", key: incident, highest: this.#key });
    Object.assign(job, { state: "activatable" });
    this.#put(job);
  }

  setVariables(element: bigint, variables: string): bigint {
    checkVariables(variables);
    const job = [...this.jobs.values()].find((one) => one.instance === element);
    if (job === undefined)
      throw command(
        "UPDATE",
        "NOT_FOUND",
        `Expected to update variables for element with key '${element}', but no such element was found`,
      );
    Object.assign(job, {
      variables: JSON.stringify({ ...object(job.variables), ...object(variables) }),
    });
    this.#put(job);
    return this.#next();
  }

  publish(name: string, correlationKey: string, id: string, variables: string): bigint {
    checkVariables(variables);
    const known = JSON.stringify([name, correlationKey, id]);
    if (id !== "" && this.messages.has(known))
      throw command(
        "PUBLISH",
        "ALREADY_EXISTS",
        `Expected to publish a new message with id '${id}', but a message with that id was already published`,
      );
    this.messages.add(known);
    return this.#next();
  }

  /** Resolves when a job may have become ready, or the signal is aborted. */
  async change(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#changes.addEventListener("change", () => resolve(), { once: true, signal });
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  #job(intent: string, what: string, key: bigint): Job {
    const job = this.jobs.get(key);
    if (job !== undefined) return job;
    throw command(
      intent,
      "NOT_FOUND",
      `Expected to ${what} job with key '${key}', but no such job was found`,
    );
  }

  #put(job: Job): void {
    this.jobs.set(job.key, job);
    this.#journal.note({ kind: "job", job, highest: this.#key });
    this.#changed();
  }

  #remove(key: bigint): void {
    this.jobs.delete(key);
    this.#journal.note({ kind: "gone", key, highest: this.#key });
  }

  #changed(): void {
    this.#changes.dispatchEvent(new Event("change"));
  }

  #next(): bigint {
    return ++this.#key;
  }
}

function object(json: string): object {
  if (!json.startsWith("{")) return {};
  try {
    return JSON.parse(json) as object;
  } catch {
    return {};
  }
}

function checkVariables(json: string): void {
  if (json === "") return;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw rejected(Code.invalidArgument, "Invalid JSON value");
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return;
  throw rejected(
    Code.invalidArgument,
    "Property 'variables' is invalid: Expected document to be a root level object, but was another",
  );
}

const codes: Readonly<Record<string, number>> = {
  NOT_FOUND: Code.notFound,
  INVALID_STATE: Code.failedPrecondition,
  INVALID_ARGUMENT: Code.invalidArgument,
  ALREADY_EXISTS: Code.alreadyExists,
};

function command(intent: string, code: string, why: string): GrpcFailure {
  const text = `Command '${intent}' rejected with code '${code}': ${why}`;
  return rejected(codes[code] ?? Code.internal, text);
}

function rejected(code: number, text: string): GrpcFailure {
  return new GrpcFailure(code, text);
}
