import type { BindingError } from "../errors.ts";
import type { MemoryShare } from "../memory/budget.ts";
import type { AmqpConnection } from "./connection.ts";
import type { Condition, Driver } from "./driver.ts";

/** A message that came whole. */
export type Delivery = {
  readonly id: number;
  readonly tag: Buffer;
  readonly format: number;
  /** The server has settled it: nothing is to be said of it. */
  readonly settled: boolean;
  readonly message: Buffer;
};

export type ReceivingLinkOptions = {
  readonly driver: Driver;
  readonly connection: AmqpConnection;
  /** How the link is attached, as the driver takes it. */
  readonly attach: object;
  /** How long the server may take to attach it, in milliseconds. */
  readonly attachTimeout: number;
  /** What cannot be done where it fails: "the queue orders cannot be read". */
  readonly what: string;
  readonly memory: MemoryShare;
  readonly signal: AbortSignal;
  readonly message: (delivery: Delivery) => void;
  /** The server has taken what was said of it. */
  readonly confirmed?: (id: number) => void;
  /** The server did not take a settlement: the lock of the message was lost. */
  readonly refused: (id: number, error: Condition) => void;
  /** Once, when the link ends otherwise than by its own `close`. */
  readonly ended: (reason: BindingError) => void;
};

/** A message of which not all frames have come. */
export type PartialMessage = {
  readonly id: number;
  readonly tag: Buffer;
  readonly format: number;
  readonly settled: boolean;
  readonly parts: Buffer[];
  bytes: number;
};
