import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { CallFailure } from "./client.ts";
import type { GrpcClient } from "./client.ts";
import { Code } from "./status.ts";

/** The newest first. Both have the same messages. */
const services = [
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
];

/** A file of descriptors is seldom larger than some 100 KiB. */
const mostBytes = 32 * 1024 * 1024;

export type Question =
  | { readonly file: string }
  | { readonly symbol: string }
  | { readonly listServices: true };

type Reply = {
  /** Encoded `FileDescriptorProto`s. */
  readonly files: readonly Uint8Array[];
  /** The full names of the services, where they were asked for. */
  readonly services: readonly string[];
  /** The server's own error, such as NOT_FOUND. */
  readonly error: { readonly code: number; readonly message: string } | undefined;
};

/** Answers one question after another over one call. */
export type Asking = {
  ask(question: Question): Promise<Reply>;
};

export type ReflectionOptions = {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Milliseconds. */
  readonly timeout: number;
};

/**
 * Asks a server by reflection: `v1`, and `v1alpha` where it lacks that. `use` may ask as often as it needs. Rejects
 * with a `CallFailure`: UNIMPLEMENTED where the server has neither.
 */
export async function withReflection<Result>(
  client: GrpcClient,
  options: ReflectionOptions,
  use: (asking: Asking) => Promise<Result>,
): Promise<Result> {
  for (const [index, service] of services.entries()) {
    const questions = new Questions();
    const path = `/${service}/ServerReflectionInfo`;
    const call = client.stream(path, questions, {
      ...options,
      waitForConnection: true,
      maxMessageBytes: mostBytes,
    });
    try {
      return await use({
        async ask(question) {
          questions.push(encode(question));
          const { done, value } = await call.messages.next();
          if (done === true)
            throw new CallFailure(
              "failed",
              Code.internal,
              "the reflection ended without an answer",
            );
          return decode(value);
        },
      });
    } catch (error) {
      const isMissing = error instanceof CallFailure && error.code === Code.unimplemented;
      if (!isMissing || index === services.length - 1) throw error;
    } finally {
      questions.end();
      call.cancel();
    }
  }
  throw new CallFailure("failed", Code.unimplemented, "the server has no reflection");
}

/** The requests of a call, written as they come up. */
class Questions implements AsyncIterable<Uint8Array> {
  readonly #waiting: Uint8Array[] = [];
  #wake = Promise.withResolvers<void>();
  #ended = false;

  push(question: Uint8Array): void {
    this.#waiting.push(question);
    this.#wake.resolve();
  }

  end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      yield* this.#waiting.splice(0);
      if (this.#ended) return;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
  }
}

/** A `ServerReflectionRequest`. */
function encode(question: Question): Uint8Array {
  const writer = new BinaryWriter();
  if ("file" in question) writer.tag(3, WireType.LengthDelimited).string(question.file);
  else if ("symbol" in question) writer.tag(4, WireType.LengthDelimited).string(question.symbol);
  else writer.tag(7, WireType.LengthDelimited).string("*");
  return writer.finish();
}

/** A `ServerReflectionResponse`. */
function decode(message: Uint8Array): Reply {
  const files: Uint8Array[] = [];
  const listed: string[] = [];
  let error: Reply["error"];
  try {
    eachField(message, (field, reader) => {
      if (field === 4) {
        eachField(reader.bytes(), (part, inner) => part === 1 && files.push(inner.bytes()) > 0);
        return true;
      }
      if (field === 6) {
        eachField(reader.bytes(), (part, list) => part === 1 && takeName(list.bytes(), listed));
        return true;
      }
      if (field !== 7) return false;
      error = decodeError(reader.bytes());
      return true;
    });
  } catch {
    throw new CallFailure("failed", Code.internal, "the reflection's answer cannot be read");
  }
  return { files, services: listed, error };
}

/** The name of a `ServiceResponse`. */
function takeName(service: Uint8Array, names: string[]): true {
  eachField(service, (field, reader) => field === 1 && names.push(reader.string()) > 0);
  return true;
}

function decodeError(bytes: Uint8Array): NonNullable<Reply["error"]> {
  let code: number = Code.unknown;
  let message = "";
  eachField(bytes, (field, reader) => {
    if (field === 1) code = reader.int32();
    else if (field === 2) message = reader.string();
    else return false;
    return true;
  });
  return { code, message };
}

/** Calls `take` for each field, which returns whether it has read it. */
function eachField(
  message: Uint8Array,
  take: (field: number, reader: BinaryReader) => boolean,
): void {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (!take(field, reader)) reader.skip(type, field);
  }
}
