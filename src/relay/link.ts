import type { Msg, MsgHdrs } from "@nats-io/transport-node";
import type { BindingError } from "../errors.ts";

/** A connection to NATS as the relay needs it. It never reconnects by itself. */
export type RelayLink = {
  readonly driver: { headers(): MsgHdrs; createInbox(prefix?: string): string };
  readonly metadata: {
    /** What subjects of answers begin with. */
    readonly inboxPrefix: string;
    /** The JetStream domain; `undefined`: that of the server. */
    readonly domain?: string | undefined;
  };
  /** Set once the connection is gone. */
  readonly ended: BindingError | undefined;
  /** As `2.15.2`. */
  readonly serverVersion: string;
  /** How many servers the cluster has. */
  readonly servers: number;
  /** The most bytes of a message, headers included. */
  readonly largestMessage: number;
  publish(subject: string, data?: Uint8Array | string, reply?: string, headers?: MsgHdrs): void;
  request(
    subject: string,
    data: Uint8Array | string,
    options?: { timeout?: number; headers?: MsgHdrs | undefined; signal?: AbortSignal },
  ): Promise<Msg>;
  /** A request to JetStream, whose errors are thrown as `BindingError`, with its code as `systemCode`. */
  api<Result>(subject: string, body: object | undefined, what: string): Promise<Result>;
  subscribe(
    subject: string,
    received: (message: Msg) => void,
    refused: (error: Error) => void,
  ): { drain(): Promise<void> };
  flush(signal?: AbortSignal): Promise<void>;
};

/** Connects; `lost` is called once when the connection is gone. */
export type ConnectRelay = (
  signal: AbortSignal,
  lost: (reason: BindingError) => void,
) => Promise<RelayLink & AsyncDisposable>;
