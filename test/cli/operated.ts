import { onTestFinished } from "vitest";
import { DeadLetterDesk } from "../../src/runtime/records/dead-letters.ts";
import type { Redriven } from "../../src/runtime/delivery/redrive.ts";
import type { RuntimeLogger } from "../../src/runtime/runtime-logger.ts";
import type { DeadLetter } from "../../src/store/records.ts";
import { FakeOperator } from "../rpc/fake-operator.ts";
import { LetterStore } from "../runtime/letters.ts";
import { serve } from "../server/serve.ts";
import { cufflinkHere } from "./in-process.ts";

const logger: RuntimeLogger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };

/** A server in this process with a desk of letters, and the command line against it. */
export async function operated(...letters: DeadLetter[]) {
  const store = new LetterStore(...letters);
  const operator = new FakeOperator();
  const app: { redrive: (letter: DeadLetter) => Promise<Redriven> } = {
    redrive: async () => ({ outcome: "handled", reason: "" }),
  };
  const desk: DeadLetterDesk = new DeadLetterDesk({
    store,
    redrive: (one) => app.redrive(one),
    invoke: (invocation) => served.runtime.invoke(invocation),
    logger,
  });
  let reload = operator.reload;
  const served = await serve({
    operations: { operator, deadLetters: desk, reload: () => reload() },
  });
  onTestFinished(() => served[Symbol.asyncDispose]());
  const address = `--address=127.0.0.1:${served.port}`;
  return {
    ...{ store, operator, app, desk, served, address },
    /** From now on reloads change nothing and find nothing wrong. */
    well: () => {
      reload = async () => ({
        ...{ revision: 1, at: Date.now(), outcome: "unchanged", components: [], problems: [] },
      });
    },
    run: (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
      cufflinkHere([...args, address], { EDITOR: "", VISUAL: "", ...env }),
  };
}
