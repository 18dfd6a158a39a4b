// The runner's own protocol: its messages, and how they travel on the standard streams. The descriptors come
// from the runner's module when the tests are run, so the types that this needs of them are spelled here.
import { readFileSync } from "node:fs";
import {
  create,
  createFileRegistry,
  type DescMessage,
  type DescService,
  type FileRegistry,
  fromBinary,
  type Message,
  toBinary,
} from "@bufbuild/protobuf";
import { type Any, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const packageName = "connectrpc.conformance.v1";

export type Header = { readonly name: string; readonly value: string[] };

type Credentials = { readonly cert: Uint8Array; readonly key: Uint8Array };

/** One call that the client under test has to make. */
export type ClientCompatRequest = {
  readonly testName: string;
  readonly compression: number;
  readonly host: string;
  readonly port: number;
  readonly serverTlsCert: Uint8Array;
  readonly clientTlsCreds?: Credentials;
  readonly messageReceiveLimit: number;
  readonly method?: string;
  readonly streamType: number;
  readonly requestHeaders: readonly Header[];
  readonly requestMessages: readonly Any[];
  readonly timeoutMs?: number;
  readonly requestDelayMs: number;
  readonly cancel?: {
    readonly cancelTiming:
      | { readonly case: "beforeCloseSend" }
      | { readonly case: "afterCloseSendMs"; readonly value: number }
      | { readonly case: "afterNumResponses"; readonly value: number }
      | { readonly case: undefined };
  };
};

export type ConformanceError = {
  readonly code: number;
  readonly message?: string;
  readonly details: readonly Any[];
};

/** How the call went. */
export type ClientResponseResult = {
  responseHeaders: Header[];
  responseTrailers: Header[];
  payloads: Message[];
  error?: { code: number; message: string; details: { typeUrl: string; value: Uint8Array }[] };
  numUnsentRequests: number;
};

/** The server that is asked for. */
export type ServerCompatRequest = {
  readonly useTls: boolean;
  readonly clientTlsCert: Uint8Array;
  readonly messageReceiveLimit: number;
  readonly serverCreds?: Credentials;
};

/** `COMPRESSION_GZIP` */
export const gzip = 2;

/** The members of `StreamType`. */
export const streamTypes = {
  unary: 1,
  clientStream: 2,
  serverStream: 3,
  halfDuplexBidi: 4,
  fullDuplexBidi: 5,
} as const;

/** The messages and the service, read from the descriptors that `buf build` wrote. */
export class Protocol {
  readonly registry: FileRegistry;

  constructor(descriptors: string) {
    const set = fromBinary(FileDescriptorSetSchema, readFileSync(descriptors));
    this.registry = createFileRegistry(set);
  }

  get service(): DescService {
    const service = this.registry.getService(`${packageName}.ConformanceService`);
    if (service === undefined) throw new Error("the descriptors have no ConformanceService");
    return service;
  }

  message(name: string): DescMessage {
    const message = this.registry.getMessage(`${packageName}.${name}`);
    if (message === undefined) throw new Error(`the descriptors have no ${name}`);
    return message;
  }

  create(name: string, fields: Readonly<Record<string, unknown>> = {}): Message {
    return create(this.message(name), fields);
  }

  /** The messages of the standard input, until it ends. */
  async *read<T>(name: string): AsyncGenerator<T> {
    const schema = this.message(name);
    let held = Buffer.alloc(0);
    for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
      held = Buffer.concat([held, chunk]);
      while (held.length >= 4 && held.length >= 4 + held.readUInt32BE(0)) {
        const end = 4 + held.readUInt32BE(0);
        const message: unknown = fromBinary(schema, held.subarray(4, end));
        held = held.subarray(end);
        yield message as T;
      }
    }
  }

  /** Writes one message to the standard output. */
  write(name: string, fields: Readonly<Record<string, unknown>>): void {
    const bytes = toBinary(this.message(name), this.create(name, fields));
    const prefix = Buffer.alloc(4);
    prefix.writeUInt32BE(bytes.length);
    process.stdout.write(Buffer.concat([prefix, bytes]));
  }
}

/** Headers as the runner's messages have them. */
export function toHeaderList(headers: Headers): Header[] {
  return [...headers].map(([name, value]) => ({ name, value: [value] }));
}

/** The folder's command line: the one argument is the file of the descriptors. */
export function protocolOfArguments(): Protocol {
  const [, , descriptors] = process.argv;
  if (descriptors === undefined) throw new Error("say where the descriptors are");
  return new Protocol(descriptors);
}
