import { signal } from "@preact/signals";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  RedriveDeadLettersRequestSchema,
  RedriveResult,
} from "../../gen/cufflink/v1/dead_letters_pb.ts";
import { RedriveOutcome } from "../../gen/cufflink/v1/dead_letters_pb.ts";
import { type Daemon, problemOf } from "./daemon.ts";

/** A redrive that goes on, or has ended. It goes on while this page is open, whatever part of it is shown. */
export type Redrive = {
  readonly id: number;
  readonly daemon: Daemon;
  readonly matched: number;
  readonly handled: number;
  readonly refused: number;
  readonly skipped: number;
  readonly step: "running" | "stopped" | "ended" | "failed";
  /** Why it failed. */
  readonly problem: string;
  /** The last that were not handled, with the reasons. */
  readonly refusals: readonly RedriveResult[];
};

/** Those that go on, and those whose end nobody has put away. */
export const redrives = signal<readonly Redrive[]>([]);
/** Rises when a redrive has changed the dead letters. */
export const redriven = signal(0);

const controllers = new Map<number, AbortController>();
let next = 0;

addEventListener("beforeunload", (event) => {
  if (redrives.peek().some(({ step }) => step === "running")) event.preventDefault();
});

/** Begins a redrive. It can be stopped; no letter is begun after that. */
export function redrive(
  daemon: Daemon,
  request: MessageInitShape<typeof RedriveDeadLettersRequestSchema>,
  matched: number,
): void {
  const id = next++;
  const controller = new AbortController();
  controllers.set(id, controller);
  const begun: Redrive = {
    ...{ id, daemon, matched, handled: 0, refused: 0, skipped: 0 },
    ...{ step: "running", problem: "", refusals: [] },
  };
  redrives.value = [...redrives.peek(), begun];
  void follow();

  async function follow(): Promise<void> {
    try {
      const stream = daemon.deadLetters.redriveDeadLetters(request, { signal: controller.signal });
      for await (const { result, totals } of stream) {
        change(id, (before) => ({
          ...before,
          ...(totals && {
            matched: Number(totals.matched),
            handled: Number(totals.handled),
            refused: Number(totals.refused),
            skipped: Number(totals.skipped),
          }),
          refusals:
            result && result.outcome !== RedriveOutcome.HANDLED
              ? [...before.refusals, result].slice(-20)
              : before.refusals,
        }));
      }
      change(id, (before) => ({ ...before, step: "ended" }));
    } catch (error) {
      const stopped = controller.signal.aborted;
      change(id, (before) => ({
        ...before,
        step: stopped ? "stopped" : "failed",
        problem: stopped ? "" : problemOf(error),
      }));
    }
    controllers.delete(id);
    redriven.value++;
  }
}

/** Stops a redrive: the letter that its handler has may end. */
export function stopRedrive(id: number): void {
  controllers.get(id)?.abort();
}

/** Puts away what has ended. */
export function putAway(id: number): void {
  redrives.value = redrives.peek().filter((one) => one.id !== id);
}

function change(id: number, how: (before: Redrive) => Redrive): void {
  redrives.value = redrives.peek().map((one) => (one.id === id ? how(one) : one));
}
