import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A binding whose calls fail twice with the effect that they name, and succeed then. */
const binding = `import { BindingError, defineBinding, fields, type Effect } from "cufflink";

const effect = fields.oneOf(["unsent", "ambiguous", "rejected"], {
  description: "What is known of its effect.",
  required: true,
});
let calls = 0;
let last = "";

function fail(call: string, effect: Effect): { data: Buffer } {
  calls = call === last ? calls + 1 : 1;
  last = call;
  if (calls < 3) throw new BindingError("unavailable", \`call \${calls}\`, { effect });
  return { data: Buffer.from(\`call \${calls}\`) };
}

export default defineBinding({
  name: "acme.effects",
  status: "alpha",
  summary: "Fails as it is told.",
  metadata: {},
  open: () => ({ async [Symbol.asyncDispose]() {} }),
  operations: {
    create: {
      description: "Fails twice.",
      request: { effect },
      invoke: async (_, { request }) => fail(\`create \${request.effect}\`, request.effect),
    },
    set: {
      description: "Fails twice, and may be repeated.",
      request: { effect },
      idempotent: true,
      invoke: async (_, { request }) => fail(\`set \${request.effect}\`, request.effect),
    },
  },
});
`;

const app = `const told = {};
for (const operation of ["create", "set"])
  for (const effect of ["unsent", "ambiguous", "rejected"]) {
    const answer = await fetch(\`http://127.0.0.1:\${process.env.DAPR_HTTP_PORT}/v1.0/bindings/effects\`, {
      method: "POST",
      body: JSON.stringify({ operation, data: "x", metadata: { effect } }),
    });
    const text = await answer.text();
    told[operation + " " + effect] = /call \\d/.exec(text)?.[0] + (answer.ok ? "" : " failed");
  }
console.log(JSON.stringify(told));
`;

const component = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: effects }
spec: { type: bindings.acme.effects, version: v1, metadata: [] }
`;

/** What comes of each call where the runtime knows the effect of an own binding's failure. */
export const expectedEffects = {
  "create unsent": "call 3",
  "create ambiguous": "call 1 failed",
  "create rejected": "call 1 failed",
  "set unsent": "call 3",
  "set ambiguous": "call 3",
  "set rejected": "call 1 failed",
};

/** Writes a binding into the folder, and resolves to what its calls come to with the program, run there. */
export async function effectsWith(
  [command = "", ...args]: readonly string[],
  folder: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<unknown> {
  mkdirSync(join(folder, "components"), { recursive: true });
  writeFileSync(join(folder, "effects.ts"), binding);
  writeFileSync(join(folder, "effects-app.mjs"), app);
  writeFileSync(join(folder, "components/effects.yaml"), component);
  const ports = ["http", "grpc"].flatMap((name) => [`--dapr-${name}-port`, "0"]);
  const flags = [...ports, "--enable-metrics=false", "--log-level", "error"];
  const own = ["--bindings", "./effects.ts", "--resources-path", "components"];
  const program = ["--", process.execPath, "effects-app.mjs"];
  const { stdout } = await run(command, [...args, "run", ...flags, ...own, ...program], {
    cwd: folder,
    env,
  });
  const line = stdout.split("\n").find((one) => one.includes("{"));
  if (line === undefined) throw new Error(`the app said nothing:\n${stdout}`);
  return JSON.parse(line.slice(line.indexOf("{")));
}
