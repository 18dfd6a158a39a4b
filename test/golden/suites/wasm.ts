import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assembled, echoing, guest, tellingArguments, writes } from "../../bindings/wasm/guests.ts";
import type { Call, Suite } from "../suite.ts";

/** What is done where the first argument begins with this. */
const actions: Readonly<Record<string, string>> = {
  nothing: "(nop)",
  hello: writes(16, 5),
  "exit with 3": `${writes(16, 5)} (call $exit (i32.const 3))`,
  "0 as an exit": `${writes(16, 5)} (call $exit (i32.const 0))`,
  "complaints are dropped": writes(16, 5, 2),
  trapped: "(unreachable)",
  "divides by zero": "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
  "input is answered": echoing,
};

/** Tells its arguments where none of these is asked for. */
const actor = guest(
  `(drop (call $sizes (i32.const 8) (i32.const 12)))
   (drop (call $args (i32.const 1024) (i32.const 8192)))
   (if (i32.gt_u (i32.load (i32.const 8)) (i32.const 1)) (then
     (local.set $n (i32.load8_u (i32.load (i32.const 1028))))))
   ${Object.entries(actions)
     .map(
       ([name, action]) =>
         `(if (i32.eq (local.get $n) (i32.const ${name.codePointAt(0)})) (then ${action} (return)))`,
     )
     .join("\n")}
   ${tellingArguments}`,
  `(memory (export "memory") 8)`,
);
const guests = { actor, library: '(module (memory (export "memory") 1))' };

export const wasm: Suite = {
  name: "wasm",
  servers: [],
  async prepare({ folder, road }) {
    for (const [name, text] of Object.entries(guests))
      await writeFile(join(folder, `${name}.wasm`), await assembled(text));
    type More = { name?: string; args?: string; data?: unknown; operation?: string };
    const run = (binding: string, { args, ...more }: More = {}): Call => ({
      ...{ name: binding, binding, operation: "execute" },
      ...(args === undefined ? {} : { metadata: { args } }),
      ...more,
    });
    return {
      components: Object.keys(guests).map((name) => ({
        name,
        type: "bindings.wasm",
        metadata: { url: `file://${join(folder, `${name}.wasm`)}` },
      })),
      calls: [
        ...Object.keys(actions).map((name) => run("actor", { name, args: name, data: "input" })),
        run("library"),
        run("actor", { name: "a text", args: "input", data: "text" }),
        run("actor", { name: "JSON", args: "input", data: { a: [1, null] } }),
        run("actor", {
          name: road === "http" ? "no data over HTTP" : "no data",
          args: "input",
        }),
        run("actor", { name: "no arguments" }),
        run("actor", { name: "arguments", args: "a, b,,c" }),
        run("actor", { name: "empty arguments", args: "" }),
        run("actor", { name: "another operation", operation: "create" }),
      ],
    };
  },
};
