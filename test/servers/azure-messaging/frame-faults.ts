import type { Connection } from "rhea";

/** What happens to a frame of AMQP. `refuse` answers an attach with this condition. */
export type Strike = "cut" | "swallow" | { readonly delay: number } | { readonly refuse: string };

export type Fault = {
  /** `attach`, `transfer`, `disposition`, `flow`, `detach`, `begin`, `end`, `close`. */
  readonly frame: string;
  readonly from: "client" | "server";
  readonly strike: Strike;
  /** Only frames whose fields are such. Default: every one. */
  readonly where?: (performative: Readonly<Record<string, unknown>>) => boolean;
  /** How many frames are struck. Default 1. */
  readonly times?: number;
};

type Armed = { readonly fault: Fault; left: number; readonly struck: () => void };
type Frame = { readonly performative: Performative };
type Performative = Readonly<Record<string, unknown>> & {
  dispatch(target: object, frame: unknown): void;
};
type Inner = Connection & {
  _write_frame(channel: number, frame: Performative, payload?: Buffer): void;
  _register(): void;
  [handler: `on_${string}`]: (frame: Frame) => void;
};

const names = ["begin", "attach", "flow", "transfer", "disposition", "detach", "end", "close"];

/** Strikes frames of the connections of a server, of either side. */
export class FrameFaults {
  #armed: Armed[] = [];

  /** Resolves once the last of its frames was struck. */
  arm(fault: Fault): Promise<void> {
    return new Promise((resolve) => {
      this.#armed.push({ fault, left: fault.times ?? 1, struck: resolve });
    });
  }

  disarm(): void {
    this.#armed = [];
  }

  /** `refused`: an attach is to be answered by this condition. */
  watch(
    connection: Connection,
    cut: () => void,
    refused: (frame: Frame, condition: string) => void,
  ): void {
    const inner = connection as Inner;
    for (const name of names) {
      const handler = (inner[`on_${name}`] as (frame: Frame) => void).bind(inner);
      inner[`on_${name}`] = (frame) => {
        this.#strike(name, "client", frame.performative, {
          pass: () => handler(frame),
          later: () => {
            handler(frame);
            inner._register();
          },
          cut,
          refuse: (condition) => refused(frame, condition),
        });
      };
    }
    const write = inner._write_frame.bind(inner);
    inner._write_frame = (channel, frame, payload) => {
      const pass = () => write(channel, frame, payload);
      this.#strike(nameOf(frame), "server", frame, { pass, later: pass, cut, refuse: pass });
    };
  }

  #strike(
    name: string,
    from: "client" | "server",
    performative: Performative,
    act: { pass(): void; later(): void; cut(): void; refuse(condition: string): void },
  ): void {
    const armed = this.#armed.find(
      ({ fault }) =>
        fault.frame === name && fault.from === from && (fault.where?.(performative) ?? true),
    );
    if (armed === undefined) return act.pass();
    armed.left--;
    if (armed.left === 0) {
      this.#armed = this.#armed.filter((one) => one !== armed);
      armed.struck();
    }
    const { strike } = armed.fault;
    if (strike === "cut") act.cut();
    else if (strike === "swallow") return;
    else if ("delay" in strike) setTimeout(() => act.later(), strike.delay);
    else act.refuse(strike.refuse);
  }
}

function nameOf(frame: Performative | undefined): string {
  // A heartbeat has nothing in it.
  if (frame === undefined) return "heartbeat";
  let name = "";
  const told = (handler: string | symbol) => () => {
    name = String(handler).replace(/^on_/, "");
  };
  frame.dispatch(new Proxy({}, { get: (_, handler) => told(handler) }), undefined);
  return name;
}
