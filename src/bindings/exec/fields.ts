import { byPrefix, byteSize, duration, integer, string } from "../../metadata/fields.ts";

/** The metadata of a component that runs a program. Dapr has no such type. */
export const execFields = {
  command: string({
    description:
      "The program: an absolute path, or a name that is looked for in the `PATH` of the runtime when the component opens.",
    required: true,
    example: "/usr/bin/jq",
  }),
  args: string({
    description:
      "The arguments as a JSON array of texts. They are the same for each call: nothing of a call becomes an argument.",
    example: '["-c", ".items[]"]',
  }),
  env: byPrefix(
    "env:",
    string({
      description:
        "The value of the environment variable NAME. The program has these and the runtime's `PATH`, and no others.",
      sensitive: true,
    }),
  ),
  workingDirectory: string({
    description: "The folder in which the program runs, an absolute path.",
    default: "/",
  }),
  timeout: duration({
    description: "The maximum duration of a run. After it the program is ended.",
    default: "30s",
    positive: true,
  }),
  killDelay: duration({
    description:
      "How long a program that is told to end (SIGTERM) may take before it is killed (SIGKILL).",
    default: "2s",
  }),
  maxOutputSize: byteSize({
    description: "The maximum size of the standard output. A program that writes more is killed.",
    default: "4Mi",
    within: "answer",
  }),
  maxConcurrency: integer({
    description: "Maximum number of runs at one time. Further calls wait within their deadlines.",
    default: "8",
    min: 1,
    max: 1024,
  }),
} as const;
