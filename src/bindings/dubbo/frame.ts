/** The frames of the Dubbo protocol: a head of 16 bytes, and a body. */

export const headBytes = 16;
const magic = 0xdabb;
const hessian2 = 2;
const flags = { request: 0x80, twoWay: 0x40, event: 0x20 } as const;
/** The body of an event: Hessian's null. */
const nothing = Uint8Array.of(0x4e);

export type Head = {
  readonly isRequest: boolean;
  readonly isTwoWay: boolean;
  readonly isEvent: boolean;
  readonly serialization: number;
  /** Of a response; 20: OK. */
  readonly status: number;
  readonly id: bigint;
  readonly length: number;
};

/** `undefined`: these are none of the protocol. */
export function readHead(bytes: Buffer): Head | undefined {
  if (bytes.readUInt16BE(0) !== magic) return undefined;
  const flag = bytes.readUInt8(2);
  return {
    isRequest: (flag & flags.request) !== 0,
    isTwoWay: (flag & flags.twoWay) !== 0,
    isEvent: (flag & flags.event) !== 0,
    serialization: flag & 0x1f,
    status: bytes.readUInt8(3),
    id: bytes.readBigUInt64BE(4),
    length: bytes.readUInt32BE(12),
  };
}

function frame(flag: number, status: number, id: bigint, body: Uint8Array): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt16BE(magic, 0);
  head.writeUInt8(flag | hessian2, 2);
  head.writeUInt8(status, 3);
  head.writeBigUInt64BE(id, 4);
  head.writeUInt32BE(body.length, 12);
  return Buffer.concat([head, body]);
}

export function requestFrame(id: bigint, body: Uint8Array): Buffer {
  return frame(flags.request | flags.twoWay, 0, id, body);
}

/** Asks the other side whether it is there. */
export function heartbeatFrame(id: bigint): Buffer {
  return frame(flags.request | flags.twoWay | flags.event, 0, id, nothing);
}

/** Answers such a question. */
export function heartbeatAnswer(id: bigint): Buffer {
  return frame(flags.event, 20, id, nothing);
}
