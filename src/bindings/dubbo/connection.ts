import net from "node:net";
import { BindingError, messageOf } from "../../errors.ts";
import { ByteParts } from "../../memory/byte-parts.ts";
import { assuredBytes, type MemoryShare, type Reservation } from "../../memory/budget.ts";
import { headBytes, heartbeatAnswer, heartbeatFrame, readHead, requestFrame } from "./frame.ts";
import type { Head } from "./frame.ts";

export type Response = { readonly status: number; readonly body: Uint8Array };

type Pending = {
  readonly resolve: (response: Response) => void;
  readonly reject: (error: BindingError) => void;
};

const connectTimeout = 5_000;

/** A connection to one provider, which carries calls side by side. */
export class ProviderConnection {
  readonly #socket: net.Socket;
  readonly #name: string;
  readonly #largest: number;
  readonly #memory: MemoryShare;
  /** For what has come of an answer so far. */
  #room: Reservation | undefined;
  readonly #pending = new Map<bigint, Pending>();
  readonly #parts = new ByteParts();
  #length = 0;
  #head: Head | undefined;
  #lastId = 0n;
  #end: BindingError | undefined;

  private constructor(socket: net.Socket, name: string, largest: number, memory: MemoryShare) {
    this.#socket = socket;
    this.#name = name;
    this.#largest = largest;
    this.#memory = memory;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", (error) => this.#ended(messageOf(error)));
    socket.on("close", () => this.#ended("it was closed"));
  }

  /** Connects. Rejects with a `BindingError`: nothing was sent. */
  static open(
    host: string,
    port: number,
    largest: number,
    memory: MemoryShare,
  ): Promise<ProviderConnection> {
    const name = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    const socket = net.connect({ host, port });
    return new Promise((resolve, reject) => {
      const failed = (why: string): void => {
        socket.destroy();
        const text = `dubbo: the provider ${name} cannot be reached: ${why}`;
        reject(new BindingError("unavailable", text, { effect: "unsent" }));
      };
      const timer = setTimeout(() => failed("it does not answer"), connectTimeout);
      socket.once("error", (error) => failed(messageOf(error)));
      socket.once("close", () => clearTimeout(timer));
      socket.once("connect", () => {
        clearTimeout(timer);
        socket.removeAllListeners("error");
        resolve(new ProviderConnection(socket, name, largest, memory));
      });
    });
  }

  /** Whether calls can be made. */
  get isOpen(): boolean {
    return this.#end === undefined;
  }

  /** Makes a call. Rejects with a `BindingError`. */
  call(body: Uint8Array, signal: AbortSignal): Promise<Response> {
    return this.#ask((id) => requestFrame(id, body), signal);
  }

  /** Asks whether the provider is there. */
  async ping(signal: AbortSignal): Promise<void> {
    await this.#ask(heartbeatFrame, signal);
  }

  close(): void {
    this.#ended("it was closed");
    this.#socket.destroy();
  }

  #ask(frame: (id: bigint) => Buffer, signal: AbortSignal): Promise<Response> {
    if (this.#end !== undefined) {
      const { reason, message } = this.#end;
      return Promise.reject(new BindingError(reason, message, { effect: "unsent" }));
    }
    const id = ++this.#lastId;
    return new Promise<Response>((resolve, reject) => {
      const abort = (): void => {
        const late = signal.reason instanceof Error && signal.reason.name === "TimeoutError";
        reject(
          new BindingError(
            late ? "deadline_exceeded" : "cancelled",
            `dubbo: ${this.#name} ${late ? "did not answer in time" : "was not waited for"}`,
            { effect: "ambiguous", cause: signal.reason },
          ),
        );
        this.#pending.delete(id);
      };
      const done = (): void => signal.removeEventListener("abort", abort);
      this.#pending.set(id, {
        resolve: (response) => {
          done();
          resolve(response);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) return abort();
      this.#socket.write(frame(id));
    });
  }

  #take(chunk: Buffer): void {
    if (this.#end !== undefined) return;
    this.#room ??= this.#memory.open(assuredBytes);
    if (!this.#room.reserve(chunk.length))
      return this.#broken("there is no room in memory for its answer");
    this.#parts.add(chunk);
    this.#length += chunk.length;
    if (this.#length < (this.#head?.length ?? headBytes)) return;
    let bytes = Buffer.from(this.#parts.whole());
    for (;;) {
      if (this.#head === undefined) {
        if (bytes.length < headBytes) break;
        this.#head = readHead(bytes);
        if (this.#head === undefined) return this.#broken("it does not speak Dubbo");
        if (this.#head.length > this.#largest)
          return this.#broken(`its answer is larger than ${this.#largest} bytes`);
        bytes = bytes.subarray(headBytes);
      }
      const { length } = this.#head;
      if (bytes.length < length) break;
      this.#came(this.#head, bytes.subarray(0, length));
      this.#head = undefined;
      bytes = bytes.subarray(length);
    }
    this.#release();
    this.#length = bytes.length;
    if (bytes.length === 0) return;
    this.#room = this.#memory.open(assuredBytes);
    this.#room.reserve(bytes.length);
    this.#parts.add(bytes);
  }

  #came({ isRequest, isTwoWay, isEvent, status, id }: Head, body: Buffer): void {
    if (isRequest) {
      if (isEvent && isTwoWay) this.#socket.write(heartbeatAnswer(id));
      return;
    }
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    // Its own copy: the rest of what came with it is let go.
    pending?.resolve({ status, body: Uint8Array.from(body) });
  }

  #broken(why: string): void {
    this.#ended(why, "resource_exhausted");
    this.#socket.destroy();
  }

  #ended(why: string, reason: "unavailable" | "resource_exhausted" = "unavailable"): void {
    if (this.#end !== undefined) return;
    const text = `dubbo: the connection to ${this.#name} has ended: ${why}`;
    const end = new BindingError(reason, text, { effect: "ambiguous" });
    this.#end = end;
    this.#release();
    for (const { reject } of this.#pending.values()) reject(end);
    this.#pending.clear();
  }

  #release(): void {
    this.#parts.clear();
    this.#room?.release();
    this.#room = undefined;
  }
}
