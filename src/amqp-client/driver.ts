import type { EventEmitter } from "node:events";

/** The parts of `rhea` that are used here, with those that its own types leave out. */
export type Driver = {
  readonly rhea: {
    create_container(options: { id: string }): Container;
    readonly message: {
      encode(message: object): Buffer;
      data_section(data: Buffer): unknown;
      accepted(): Described;
      released(): Described;
      modified(fields: { delivery_failed: boolean }): Described;
      unwrap_outcome(state: unknown): { readonly error?: Condition };
    };
    readonly types: {
      wrap_symbol(text: string): unknown;
      wrap_long(value: number | Buffer): unknown;
      wrap_described(value: unknown, descriptor: string | number): unknown;
      wrap_timestamp(milliseconds: number): unknown;
      wrap_uint(value: number): unknown;
      wrap_array(values: readonly unknown[], typeCode: number): unknown;
    };
  };
  readonly frames: {
    disposition(fields: {
      role: boolean;
      first: number;
      last: number;
      settled: boolean;
      state: unknown;
    }): unknown;
  };
};

type Described = { described(): unknown };

export type Container = EventEmitter & {
  create_connection(options: object): RawConnection;
};

/** An error as the peer told it. */
export type Condition = {
  readonly condition?: string;
  readonly description?: string;
  readonly info?: Readonly<Record<string, unknown>>;
};

export type RawConnection = EventEmitter & {
  readonly error?: Condition;
  /** What the server says of itself. */
  readonly properties?: Readonly<Record<string, unknown>>;
  /** The size of a frame that is coming in. */
  readonly frame_size?: number;
  idle(): void;
  connect(): void;
  close(): void;
  create_session(bufferSize?: object): RawSession;
  _register(): void;
  _disconnected(): void;
};

export type RawSession = EventEmitter & {
  readonly error?: Condition;
  readonly incoming: { next_transfer_id: number };
  readonly outgoing: { available(): number; next_pending_delivery: number };
  on_transfer(frame: TransferFrame): void;
  on_disposition(frame: DispositionFrame): void;
  begin(): void;
  close(): void;
  output(frame: unknown): void;
  open_sender(options: object): RawSender;
  open_receiver(options: object): RawReceiver;
};

export type DispositionFrame = {
  readonly performative: {
    /** True: said by a receiver. */
    readonly role: boolean;
    readonly first: number;
    readonly last?: number | null;
    readonly settled?: boolean | null;
    readonly state?: unknown;
  };
};

export type TransferFrame = {
  readonly performative: {
    readonly delivery_id?: number | null;
    readonly delivery_tag?: Buffer | null;
    readonly message_format?: number | null;
    readonly settled?: boolean | null;
    readonly more?: boolean | null;
    readonly aborted?: boolean | null;
  };
  readonly payload?: Buffer;
};

type RawLink = EventEmitter & {
  readonly name: string;
  readonly error?: Condition;
  readonly session: RawSession;
  credit: number;
  delivery_count: number;
  /** Asks for a flow frame at the end of the turn. */
  issue_flow: boolean;
  close(): void;
  /** Ends the link and keeps its terminus. */
  detach(): void;
};

export type RawSender = RawLink & {
  readonly target?: { readonly address?: string } | null;
  readonly max_message_size?: number | Buffer;
  send(data: Buffer, tag: undefined, format: number): RawDelivery;
};

/** A sender whose messages the driver encodes. */
export type RawMessageSender = RawLink & { send(message: object): unknown };

export type RawReceiver = RawLink & {
  readonly source?: {
    readonly address?: string;
    readonly filter?: Readonly<Record<string, unknown>> | null;
  } | null;
  /** What the server said when it opened the link. */
  readonly remote: {
    readonly attach?: {
      readonly rcv_settle_mode?: number | null;
      readonly properties?: Readonly<Record<string, unknown>> | null;
    };
  };
  drain: boolean;
  on_flow(frame: FlowFrame): void;
};

export type FlowFrame = {
  readonly performative: {
    readonly drain?: boolean | null;
    readonly link_credit?: number | null;
    readonly delivery_count?: number | null;
  };
};

export type RawDelivery = {
  readonly id: number;
  readonly remote_settled: boolean;
  readonly remote_state?: {
    readonly error?: Condition;
    readonly delivery_failed?: boolean;
    readonly undeliverable_here?: boolean;
  };
  update(settled: boolean): void;
};
