import { createServer, type AddressInfo, type Socket } from "node:net";
import { generate, parser, type Packet, type PacketCmd } from "mqtt-packet";
import { onTestFinished } from "vitest";

type Answer = Packet | Buffer | "cut" | "nothing";

/** What is answered to a kind of packet in place of what a server usually says. */
type Script = {
  readonly [Command in PacketCmd]?: (packet: Packet, count: number) => Answer | readonly Answer[];
};

/** A server of MQTT 5 in the test's process that keeps what it gets, and says what it is told to. */
export type ScriptedServer = {
  readonly url: string;
  /** Every packet that came, in order. */
  readonly packets: Packet[];
  of(command: PacketCmd): Packet[];
  /** To every connection that is open. */
  send(packet: Packet | Buffer): void;
};

const usual: Script = {
  connect: () => ({ cmd: "connack", sessionPresent: false, reasonCode: 0 }),
  subscribe: (packet) => ({
    ...{ cmd: "suback", messageId: identifierOf(packet) },
    granted: "subscriptions" in packet ? packet.subscriptions.map(({ qos }) => qos) : [],
  }),
  pingreq: () => ({ cmd: "pingresp" }),
  pubrel: (packet) => ({ cmd: "pubcomp", messageId: identifierOf(packet), reasonCode: 0 }),
  publish(packet) {
    const answer = { messageId: identifierOf(packet), reasonCode: 0 };
    if (!("qos" in packet) || packet.qos === 0) return "nothing";
    return packet.qos === 1 ? { cmd: "puback", ...answer } : { cmd: "pubrec", ...answer };
  },
};

/** The packet identifier of one that has one. */
export function identifierOf({ messageId = 0 }: Packet): number {
  return messageId;
}

export async function scriptedServer(script: Script = {}): Promise<ScriptedServer> {
  const packets: Packet[] = [];
  const sockets = new Set<Socket>();
  const bytesOf = (packet: Packet | Buffer): Buffer =>
    Buffer.isBuffer(packet) ? packet : generate(packet, { protocolVersion: 5 });
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
    const reading = parser({ protocolVersion: 5 });
    reading.on("packet", (packet) => {
      packets.push(packet);
      const count = packets.filter(({ cmd }) => cmd === packet.cmd).length;
      const answer = (script[packet.cmd] ?? usual[packet.cmd])?.(packet, count) ?? "nothing";
      for (const one of Array.isArray(answer) ? (answer as Answer[]) : [answer as Answer]) {
        if (one === "cut") socket.resetAndDestroy();
        else if (one !== "nothing") socket.write(bytesOf(one));
      }
    });
    socket.on("data", (piece: Buffer) => reading.parse(piece));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
    packets,
    of: (command) => packets.filter(({ cmd }) => cmd === command),
    send(packet) {
      for (const socket of sockets) socket.write(bytesOf(packet));
    },
  };
}
