import { defineBinding } from "../../binding.ts";
import { execFields } from "./fields.ts";
import { programOf } from "./program.ts";
import { Runner } from "./runner.ts";

/** Runs one program of this machine, never by a shell. */
export default defineBinding({
  name: "exec",
  status: "beta",
  summary: "Runs a program of this machine, with the data on its standard input.",
  runsPrograms: true,
  provedBy: [{ system: "coreutils", kind: "real" }],
  metadata: execFields,

  async open({ metadata, memory }) {
    const program = await programOf(metadata, process.env["PATH"] ?? "");
    return new Runner(program, metadata, memory);
  },

  async examine(_runner, { metadata, ask, omit }) {
    omit("reachable", "authenticated");
    await ask("exists", metadata.command, () => {});
  },

  operations: {
    run: {
      description:
        "Runs the program with the data on its standard input, and answers its standard output. An exit code other than 0 is an error.",
      request: {},
      answerMetadata: {
        exitCode: "`0`: any other is an error.",
      },
      invoke: (runner, { data, signal }) => runner.run(data, signal),
    },
  },
});
