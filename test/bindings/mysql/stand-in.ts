import { createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { listen } from "../http/loopback-server.ts";

/** Packets with their number, which the protocol counts. */
export function packet(number: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUIntLE(payload.length, 0, 3);
  header[3] = number;
  return Buffer.concat([header, payload]);
}

export const okPacket = (number: number): Buffer =>
  packet(number, Buffer.of(0, 0, 0, 0x02, 0, 0, 0));

export function errorPacket(number: number, code: number, text: string): Buffer {
  const head = Buffer.alloc(3);
  head[0] = 0xff;
  head.writeUInt16LE(code, 1);
  return packet(number, Buffer.concat([head, Buffer.from(`#28000${text}`)]));
}

/** Has the client log in by another plugin. */
export function switchPacket(number: number, plugin: string): Buffer {
  return packet(number, Buffer.from(`\u00fe${plugin}\0${"s".repeat(20)}\0`, "latin1"));
}

function greeting(): Buffer {
  const capabilities = 0x0008_a20f;
  const low = Buffer.alloc(2);
  low.writeUInt16LE(capabilities & 0xffff);
  const high = Buffer.alloc(2);
  high.writeUInt16LE(capabilities >>> 16);
  return packet(
    0,
    Buffer.concat([
      ...[Buffer.of(10), Buffer.from("8.0.0\0"), Buffer.of(7, 0, 0, 0), Buffer.from("12345678\0")],
      ...[low, Buffer.of(45, 2, 0), high, Buffer.of(21), Buffer.alloc(10)],
      ...[Buffer.from("123456789012\0"), Buffer.from("mysql_native_password\0")],
    ]),
  );
}

/** A server that greets, and answers each packet as the test says. `number`: of the next packet that is sent. */
export async function startStandIn(
  answer: (payload: Buffer, number: number, socket: Socket, nth: number) => Buffer | undefined,
): Promise<{ host: string; port: number; received: Buffer[] }> {
  const received: Buffer[] = [];
  const server = createServer((socket) => {
    let nth = 0;
    let held = Buffer.alloc(0);
    socket.on("error", () => undefined);
    socket.write(greeting());
    socket.on("data", (data: Buffer) => {
      held = Buffer.concat([held, data]);
      while (held.length >= 4 && held.length >= 4 + held.readUIntLE(0, 3)) {
        const end = 4 + held.readUIntLE(0, 3);
        const payload = held.subarray(4, end);
        const number = (held[3] ?? 0) + 1;
        held = held.subarray(end);
        received.push(payload);
        const said = answer(payload, number, socket, nth++);
        if (said !== undefined) socket.write(said);
      }
    });
    onTestFinished(() => void socket.destroy());
  });
  const port = await listen(server);
  onTestFinished(() => void server.close());
  return { host: "127.0.0.1", port, received };
}
