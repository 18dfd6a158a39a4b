import type { Duplex } from "node:stream";
import type * as Mysql from "mysql2";

export type Driver = { readonly createConnection: typeof Mysql.createConnection };

/** A packet as the driver hands it over, valid during the call alone. */
export type DriverPacket = {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
};

/** What the driver runs, one after another. */
export type DriverCommand = {
  /** Called without a packet to begin, then with each packet. Returns whether it has ended. */
  execute(packet: DriverPacket | undefined, connection: DriverConnection): boolean;
  /** The connection broke. */
  onResult(error: unknown): void;
};

/** The parts of a connection that the driver's types do not tell. */
export type DriverConnection = {
  stream: Duplex;
  readonly threadId: number | null;
  /** Column definitions have one more field. */
  readonly _mariadbExtendedMetadata: boolean;
  readonly packetParser: { execute(data: Buffer): void };
  sequenceId: number;
  addCommand(command: DriverCommand): void;
  write(data: Buffer): void;
  _handleNetworkError(error: Error): void;
  startTLS(onSecure: (error?: Error) => void): void;
  on(event: "connect" | "end", listener: () => void): void;
  on(event: "error", listener: (error: Error) => void): void;
};
