import { messageOf } from "../../errors.ts";
import type { Attributes, Client, Entry, SftpWrapper } from "./driver.ts";
import { RequestFailure, statusFailure } from "./failures.ts";

/** How long one request may be unanswered before the connection counts as lost, in milliseconds. */
const longestAnswer = 60_000;

const longestClearing = 1_000;

/** What an open file or folder is called between the server and this process. */
export type Handle = Buffer;

export type OpenFlags = "r" | "w" | "wx";

type Answered<Value> = (error: Error | null | undefined, value: Value) => void;

/** The protocol's requests, each as a promise. They reject with a {@link RequestFailure}. */
export class Session {
  readonly #client: Client;
  readonly #sftp: SftpWrapper;
  readonly #onLost: (reason: unknown) => void;
  readonly #unanswered = new Set<(failure: RequestFailure) => void>();
  #ended: string | undefined;
  #isClosing = false;

  /** `lost`: called once, when the connection ends and nobody closed it. */
  constructor(client: Client, sftp: SftpWrapper, lost: (reason: unknown) => void) {
    this.#client = client;
    this.#sftp = sftp;
    this.#onLost = lost;
    client.on("error", (error) => this.#end(messageOf(error)));
    client.on("close", () => this.#end("the server has closed the connection"));
    sftp.on("error", (error: unknown) => this.#end(messageOf(error)));
    sftp.on("close", () => this.#end("the server has ended the SFTP session"));
    sftp.on("end", () => this.#end("the server has ended the SFTP session"));
  }

  /** The requests of one call, which is over when the signal is aborted. */
  for(signal?: AbortSignal): Requests {
    return new Requests(this, this.#sftp, signal);
  }

  close(): void {
    this.#isClosing = true;
    this.#end("the connection was closed");
  }

  /**
   * Sends a request and waits for its answer. `late`: is given what comes when nobody waits any more. Without a
   * connection it is `unsent`, and `ambiguous` once it was handed to the connection.
   */
  request<Value>(
    send: (answered: Answered<Value>) => void,
    signal: AbortSignal | undefined,
    late?: (value: Value) => void,
  ): Promise<Value> {
    if (this.#ended !== undefined) {
      return Promise.reject(new RequestFailure(this.#ended, undefined, "unsent"));
    }
    if (signal?.aborted === true) return Promise.reject(aborted(signal, "unsent"));
    return new Promise((resolve, reject) => {
      let isOver = false;
      const over = (): void => {
        isOver = true;
        clearTimeout(timer);
        this.#unanswered.delete(fail);
        signal?.removeEventListener("abort", abort);
      };
      const fail = (failure: RequestFailure): void => {
        over();
        reject(failure);
      };
      const abort = (): void => fail(aborted(signal, "ambiguous"));
      const timer = setTimeout(
        () => this.#end(`the server has not answered for ${longestAnswer / 1000} s`),
        longestAnswer,
      );
      this.#unanswered.add(fail);
      signal?.addEventListener("abort", abort, { once: true });
      try {
        send((error, value) => {
          if (isOver) {
            if (!error) late?.(value);
            return;
          }
          if (!error) {
            over();
            return resolve(value);
          }
          // A number: the server's own answer. Else the driver has found the session at its end.
          if ("code" in error && typeof error.code === "number")
            return fail(statusFailure(error.code, error.message));
          this.#end(error.message);
        });
      } catch (error) {
        fail(new RequestFailure(messageOf(error), undefined, "unsent", error));
      }
    });
  }

  #end(why: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = why;
    for (const fail of [...this.#unanswered]) fail(new RequestFailure(why, undefined, "ambiguous"));
    // What is still to be written to a peer that takes nothing must not keep it open.
    if (this.#isClosing) this.#client.end();
    else this.#client.destroy();
    setTimeout(() => this.#client.destroy(), 1_000).unref();
    if (!this.#isClosing) this.#onLost(new Error(`sftp: ${why}`));
  }
}

/**
 * Waits for what is cleared up after a call, but not for a server that takes longer: the caller has his answer by then.
 */
export async function soon(clearing: Promise<unknown>): Promise<void> {
  const settled = clearing.then(
    () => undefined,
    () => undefined,
  );
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, longestClearing);
  });
  await Promise.race([settled, late]);
  clearTimeout(timer);
}

/** The requests of one call. */
export class Requests {
  readonly #session: Session;
  readonly #sftp: SftpWrapper;
  readonly #signal: AbortSignal | undefined;

  constructor(session: Session, sftp: SftpWrapper, signal: AbortSignal | undefined) {
    this.#session = session;
    this.#sftp = sftp;
    this.#signal = signal;
  }

  /** The same for what is cleared up after a call, whether or not it is over. */
  get afterwards(): Requests {
    return this.#session.for();
  }

  open(path: string, flags: OpenFlags): Promise<Handle> {
    return this.#ask<Handle>(
      (answered) => this.#sftp.open(path, flags, answered),
      (handle) => this.#forget(handle),
    );
  }

  /** Reads at most so many bytes; none: the file ends before there. */
  async read(handle: Handle, position: number, length: number): Promise<Buffer> {
    const into = Buffer.allocUnsafeSlow(length);
    const bytes = await this.#ask<number>((answered) =>
      this.#sftp.read(handle, into, 0, length, position, answered),
    );
    return into.subarray(0, bytes ?? 0);
  }

  write(handle: Handle, data: Buffer, position: number): Promise<void> {
    return this.#done((answered) =>
      this.#sftp.write(handle, data, 0, data.length, position, answered),
    );
  }

  close(handle: Handle): Promise<void> {
    return this.#done((answered) => this.#sftp.close(handle, answered));
  }

  ofHandle(handle: Handle): Promise<Attributes> {
    return this.#ask<Attributes>((answered) => this.#sftp.fstat(handle, answered));
  }

  /** Of the path itself: a link is not followed. */
  lstat(path: string): Promise<Attributes> {
    return this.#ask<Attributes>((answered) => this.#sftp.lstat(path, answered));
  }

  setMode(handle: Handle, mode: number): Promise<void> {
    return this.#done((answered) => this.#sftp.fsetstat(handle, { mode }, answered));
  }

  realpath(path: string): Promise<string> {
    return this.#ask<string>((answered) => this.#sftp.realpath(path, answered));
  }

  openFolder(path: string): Promise<Handle> {
    return this.#ask<Handle>(
      (answered) => this.#sftp.opendir(path, answered),
      (handle) => this.#forget(handle),
    );
  }

  /** Some more of a folder's entries. Rejects with the status 1 at its end. */
  readFolder(handle: Handle): Promise<Entry[]> {
    return this.#ask<Entry[]>((answered) => this.#sftp.readdir(handle, answered));
  }

  makeFolder(path: string): Promise<void> {
    return this.#done((answered) => this.#sftp.mkdir(path, answered));
  }

  removeFile(path: string): Promise<void> {
    return this.#done((answered) => this.#sftp.unlink(path, answered));
  }

  removeFolder(path: string): Promise<void> {
    return this.#done((answered) => this.#sftp.rmdir(path, answered));
  }

  /** Fails where the new name is taken; by the protocol, though not every server follows it. */
  rename(from: string, to: string): Promise<void> {
    return this.#done((answered) => this.#sftp.rename(from, to, answered));
  }

  /** Takes the place of a file of the new name. Rejects as `unsent` where the server has no such request. */
  replace(from: string, to: string): Promise<void> {
    return this.#done((answered) => this.#sftp.ext_openssh_rename(from, to, answered));
  }

  #forget(handle: Handle): void {
    this.afterwards.close(handle).catch(() => undefined);
  }

  async #done(send: (answered: (error?: Error | null) => void) => void): Promise<void> {
    await this.#ask<unknown>((answered) => send((error) => answered(error, undefined)));
  }

  #ask<Value>(
    send: (answered: Answered<Value>) => void,
    late?: (value: Value) => void,
  ): Promise<Value> {
    return this.#session.request(send, this.#signal, late);
  }
}

function aborted(signal: AbortSignal | undefined, effect: "unsent" | "ambiguous"): RequestFailure {
  const reason: unknown = signal?.reason;
  const isLate = reason instanceof Error && reason.name === "TimeoutError";
  const text = isLate ? "context deadline exceeded" : "context canceled";
  return new RequestFailure(text, undefined, effect, reason ?? new Error(text));
}
