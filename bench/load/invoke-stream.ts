import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { invokeBindingStreamPath } from "../wire/bulk.ts";
import { FrameSplitter } from "../wire/frames.ts";
import { Cursor } from "../wire/protobuf.ts";

/** One `InvokeBindingStream` on `node:http2`. */
export class InvokeStream implements Disposable {
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  readonly #response = new Cursor();
  readonly #chunk = new Cursor();

  /**
   * Calls `answered` for each invocation that succeeded, `turn` after all answers of one read, and `failed` when an
   * invocation, or the stream, did not.
   */
  constructor(
    port: number,
    on: {
      answered(invocation: number): void;
      turn(): void;
      failed(reason: Error): void;
      /** Told how many bytes of an answer have come. */
      part?(length: number): void;
    },
  ) {
    this.#session = connect(`http://127.0.0.1:${port}`, {
      settings: { initialWindowSize: 4 << 20 },
    });
    this.#session.on("error", (error) => on.failed(error));
    this.#session.on("connect", () => this.#session.setLocalWindowSize(16 << 20));
    this.#stream = this.#session.request({
      ":method": "POST",
      ":path": invokeBindingStreamPath,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const frames = new FrameSplitter();
    const status = (headers: Record<string, unknown>): void => {
      const { "grpc-status": code = "0", "grpc-message": message } = headers;
      if (code !== "0") on.failed(new Error(`grpc-status ${String(code)}: ${String(message)}`));
    };
    this.#stream.on("response", status);
    this.#stream.on("trailers", status);
    this.#stream.on("error", (error) => on.failed(error));
    this.#stream.on("data", (data: Buffer) => {
      frames.push(data, (bytes, start, end) => this.#take(bytes, start, end, on));
      on.turn();
    });
  }

  /** Sends frames, whether or not there is room. */
  send(frames: Buffer): void {
    this.#stream.write(frames);
  }

  /** Sends frames; resolves once there is room for more. */
  async write(frames: Buffer): Promise<void> {
    if (this.#stream.write(frames)) return;
    await new Promise<void>((resolve) => this.#stream.once("drain", () => resolve()));
  }

  [Symbol.dispose](): void {
    this.#stream.end();
    this.#session.close();
  }

  #take(
    bytes: Buffer,
    start: number,
    end: number,
    on: {
      answered(invocation: number): void;
      failed(reason: Error): void;
      part?(length: number): void;
    },
  ): void {
    const [response, chunk] = [this.#response, this.#chunk];
    response.reset(start, end);
    while (response.next(bytes)) {
      if (response.field !== 1) continue;
      let invocation = 0;
      let last = false;
      let error: string | undefined;
      chunk.reset(response.start, response.end);
      while (chunk.next(bytes)) {
        if (chunk.field === 1) invocation = chunk.value;
        else if (chunk.field === 3) on.part?.(chunk.end - chunk.start);
        else if (chunk.field === 4) last = chunk.value === 1;
        else if (chunk.field === 5) error = bytes.toString("utf8", chunk.start, chunk.end);
      }
      if (error !== undefined) on.failed(new Error(`an invocation failed: ${error}`));
      else if (last) on.answered(invocation);
    }
  }
}
