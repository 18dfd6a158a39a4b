import { createRequire } from "node:module";
import net from "node:net";
import type { AddressInfo } from "node:net";

type Codec = {
  DecoderV2: new (bytes: Buffer) => { read(withType?: boolean): unknown; position(): number };
  EncoderV2: new () => { write(value: unknown): unknown; get(): Buffer };
};
/** Another implementation of Hessian 2 than that of the binding. */
const { DecoderV2, EncoderV2 } = createRequire(import.meta.url)("hessian.js") as Codec;

/** A request, as the provider reads it. */
export type Request = {
  readonly path: string;
  readonly version: string;
  readonly method: string;
  readonly types: string;
  readonly arguments: readonly unknown[];
  readonly attachments: Readonly<Record<string, string>>;
};

export type Reply =
  | { readonly value: unknown }
  | { readonly exception: { readonly $class: string; readonly $: object } }
  | { readonly status: number; readonly text: string }
  | { readonly bytes: Buffer }
  | "nothing";

/** A provider that speaks the Dubbo protocol, as its reference has it. */
export async function openProvider(answer: (request: Request) => Reply = () => ({ value: null })) {
  const requests: Request[] = [];
  const sockets = new Set<net.Socket>();
  const heartbeats: string[] = [];
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    let bytes = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 16 && bytes.length >= 16 + bytes.readUInt32BE(12)) {
        const length = bytes.readUInt32BE(12);
        take(socket, bytes.subarray(0, 16), bytes.subarray(16, 16 + length));
        bytes = bytes.subarray(16 + length);
      }
    });
  });

  function take(socket: net.Socket, head: Buffer, body: Buffer): void {
    const flag = head.readUInt8(2);
    const id = head.readBigUInt64BE(4);
    if ((flag & 0x20) !== 0) {
      heartbeats.push((flag & 0x80) !== 0 ? "asked" : "answered");
      if ((flag & 0x80) !== 0) socket.write(frame(0x22, 20, id, Buffer.from("N")));
      return;
    }
    const decoder = new DecoderV2(body);
    const next = (): unknown => decoder.read();
    const [, path, version, method, types] = [next(), next(), next(), next(), next()];
    const count = String(types).match(/\[*(?:[ZBCDFIJSV]|L[^;]+;)/g)?.length ?? 0;
    const values = Array.from({ length: count }, next);
    const request = {
      ...{ path: String(path), version: String(version), method: String(method) },
      ...{ types: String(types), arguments: values },
      attachments: next() as Record<string, string>,
    };
    requests.push(request);
    const reply = answer(request);
    if (reply === "nothing") return;
    if ("bytes" in reply) return void socket.write(reply.bytes);
    if ("status" in reply) {
      socket.write(frame(2, reply.status, id, encode(reply.text)));
      return;
    }
    const kind = "exception" in reply ? 0 : reply.value === null ? 2 : 1;
    const value = "exception" in reply ? reply.exception : reply.value;
    socket.write(frame(2, 20, id, kind === 2 ? encode(2) : encode(kind, value)));
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const provider = {
    host: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
    ...{ requests, heartbeats },
    /** What a component needs to call it. */
    get properties(): Record<string, string> {
      const interfaceName = "shop.Users";
      return { providerHostname: "127.0.0.1", providerPort: `${provider.port}`, interfaceName };
    },
    /** Asks those who are connected whether they are there. */
    ask(): void {
      for (const socket of sockets) socket.write(frame(0xe2, 0, 7n, Buffer.from("N")));
    },
    cut(): void {
      for (const socket of sockets) socket.destroy();
    },
    async [Symbol.asyncDispose](): Promise<void> {
      provider.cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return provider;
}

function frame(flag: number, status: number, id: bigint, body: Buffer): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt16BE(0xdabb, 0);
  head.writeUInt8(flag, 2);
  head.writeUInt8(status, 3);
  head.writeBigUInt64BE(id, 4);
  head.writeUInt32BE(body.length, 12);
  return Buffer.concat([head, body]);
}

/** Values in Hessian 2, one after another. */
export function encode(...values: readonly unknown[]): Buffer {
  const encoder = new EncoderV2();
  for (const value of values) encoder.write(value);
  return Buffer.from(encoder.get());
}
