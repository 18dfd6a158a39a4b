import {
  create,
  createFileRegistry,
  fromBinary,
  type DescMethod,
  type FileRegistry,
} from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_any,
  file_google_protobuf_api,
  file_google_protobuf_descriptor,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_source_context,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_type,
  file_google_protobuf_wrappers,
  type FileDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import { BindingError, messageOf } from "../../errors.ts";
import { noRoom, type Reservation } from "../../memory/budget.ts";
import { readRegularFile, UnreadableFile } from "../../regular-file.ts";

/** Those that everyone has, of which servers often tell nothing. */
const wellKnown: readonly FileDescriptorProto[] = [
  file_google_protobuf_any,
  file_google_protobuf_source_context,
  file_google_protobuf_descriptor,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  file_google_protobuf_type,
  file_google_protobuf_api,
].map(({ proto }) => proto);

/** A set of some hundred services has a few MiB. */
const mostBytes = 64 * 1024 * 1024;

/** Files of descriptors that came from elsewhere, and the types in them. */
export class Descriptors {
  readonly #files = new Map(wellKnown.map((file) => [file.name, file]));
  readonly #room: Reservation | undefined;
  #registry: FileRegistry | undefined;

  /** What is added counts in the memory, if one is given. */
  constructor(room?: Reservation) {
    this.#room = room;
  }

  /** Reads a file with a `FileDescriptorSet`. Throws a `BindingError`. */
  static async read(path: string): Promise<Descriptors> {
    const descriptors = new Descriptors();
    try {
      const bytes = await readRegularFile(path, { largest: mostBytes });
      for (const file of fromBinary(FileDescriptorSetSchema, bytes).file) descriptors.#put(file);
      const [missing] = descriptors.missing();
      if (missing !== undefined)
        throw new Error(`it lacks ${missing}; write it with its imports (--include_imports)`);
      void descriptors.registry;
    } catch (error) {
      const why =
        error instanceof UnreadableFile ? (error.code ?? error.message) : messageOf(error);
      throw new BindingError(
        "invalid_argument",
        `grpc: descriptorSet ${JSON.stringify(path)} is no file of descriptors: ${why}`,
      );
    }
    return descriptors;
  }

  /** The same with a memory of its own. Throws when there is no room for it. */
  copy(room: Reservation): Descriptors {
    if (!room.reserve(this.#room?.bytes ?? 0)) throw new Error(noRoom);
    const copy = new Descriptors(room);
    for (const [name, file] of this.#files) copy.#files.set(name, file);
    return copy;
  }

  /** They are not kept any more. */
  release(): void {
    this.#room?.release();
  }

  /** Takes an encoded file. Throws when it is none, or they are too many. */
  add(encoded: Uint8Array): void {
    if (this.#room?.reserve(encoded.length) === false) throw new Error(noRoom);
    if ((this.#room?.bytes ?? 0) > mostBytes)
      throw new Error(`the descriptors are larger than ${mostBytes} bytes`);
    this.#put(fromBinary(FileDescriptorProtoSchema, encoded));
  }

  #put(file: FileDescriptorProto): void {
    // What everyone has is taken from here: it is what the JSON mapping goes by.
    if (this.#files.has(file.name)) return;
    this.#files.set(file.name, file);
    this.#registry = undefined;
  }

  /** The names of files that others import and that are not here. */
  missing(): string[] {
    const missing = new Set<string>();
    for (const { dependency } of this.#files.values())
      for (const name of dependency) if (!this.#files.has(name)) missing.add(name);
    return [...missing];
  }

  /** All types. Throws when they contradict each other. */
  get registry(): FileRegistry {
    this.#registry ??= createFileRegistry(
      create(FileDescriptorSetSchema, { file: inOrder(this.#files) }),
    );
    return this.#registry;
  }

  /** `undefined`: there is no such method. */
  method(service: string, method: string): DescMethod | undefined {
    return this.registry.getService(service)?.methods.find(({ name }) => name === method);
  }
}

/** Each after those that it imports. Throws for files that import each other. */
function inOrder(files: ReadonlyMap<string, FileDescriptorProto>): FileDescriptorProto[] {
  const ordered: FileDescriptorProto[] = [];
  const entered = new Map<string, "open" | "done">();
  for (const first of files.keys()) {
    // No recursion: a chain of imports may be as long as its author likes.
    const stack = [first];
    for (let name = stack.at(-1); name !== undefined; name = stack.at(-1)) {
      const file = files.get(name);
      const state = entered.get(name);
      if (file === undefined || state === "done") {
        stack.pop();
        continue;
      }
      const waiting = file.dependency.filter(
        (one) => entered.get(one) !== "done" && files.has(one),
      );
      if (waiting.length === 0) {
        entered.set(name, "done");
        ordered.push(file);
        stack.pop();
      } else if (state === "open") {
        throw new Error(`${name} imports itself`);
      } else {
        entered.set(name, "open");
        stack.push(...waiting);
      }
    }
  }
  return ordered;
}
