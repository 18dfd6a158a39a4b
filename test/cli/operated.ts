import { onTestFinished } from "vitest";
import type { Definition } from "../../src/resources/definition.ts";
import { DeadLetterManager } from "../../src/runtime/records/dead-letters.ts";
import type { Redriven } from "../../src/runtime/delivery/redrive.ts";
import type { RuntimeLogger } from "../../src/runtime/runtime-logger.ts";
import type { DeadLetter } from "../../src/store/records.ts";
import { FakeOperator } from "../rpc/fake-operator.ts";
import { FakeDeadLetterStore } from "../runtime/stored-dead-letters.ts";
import { serve } from "../server/serve.ts";
import { cufflinkHere } from "./in-process.ts";

const logger: RuntimeLogger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };

/** A server in this process with a manager of dead letters, and the command line against it. */
export async function operated(...deadLetters: DeadLetter[]) {
  const store = new FakeDeadLetterStore(...deadLetters);
  const operator = new FakeOperator();
  const definitions = new Map<string, Definition>();
  const app: { redrive: (deadLetter: DeadLetter) => Promise<Redriven> } = {
    redrive: async () => ({ outcome: "handled", reason: "" }),
  };
  const manager: DeadLetterManager = new DeadLetterManager({
    store,
    redrive: (one) => app.redrive(one),
    invoke: (invocation) => served.runtime.invoke(invocation),
    logger,
  });
  let reload = operator.reload;
  const served = await serve({
    operations: {
      ...{ operator, deadLetters: manager, reload: () => reload() },
      definition: (name) => definitions.get(name),
    },
  });
  onTestFinished(() => served[Symbol.asyncDispose]());
  const address = `--address=127.0.0.1:${served.port}`;
  return {
    ...{ store, operator, definitions, app, manager, served, address },
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
