import { exec } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { blocks } from "../docs/pages.ts";

const page = "docs/own-bindings.md";

/** A command of the guide, with all that it printed. */
type Ran = { readonly command: string; readonly output: string };

/**
 * Follows the guide in a folder in which it finds Cufflink installed: writes each file that a block begins with the name of,
 * and runs the commands, but for those of npm. Rejects where one fails.
 */
export async function followGuide(folder: string, env: NodeJS.ProcessEnv): Promise<Ran[]> {
  const ran: Ran[] = [];
  for (const name of ["components", "inbox"]) mkdirSync(join(folder, name), { recursive: true });
  for (const { language, text } of blocks().filter((block) => block.page === page)) {
    const [, name] = /^\/\/ ([\w.-]+\.ts)\n/.exec(text) ?? [];
    if (name !== undefined) writeFileSync(join(folder, name), `${text}\n`);
    if (language === "yaml") writeFileSync(join(folder, "components/hello.yaml"), `${text}\n`);
    if (language !== "sh" || text.includes("npm install")) continue;
    for (const command of text.split("\n")) {
      // Each takes free ports, as other tests run beside it.
      const quiet = command.replace(
        "cufflink run",
        "cufflink run --dapr-http-port 0 --dapr-grpc-port 0 --enable-metrics=false",
      );
      const { stdout, stderr } = await promisify(exec)(quiet, { cwd: folder, env });
      ran.push({ command, output: stdout + stderr });
    }
  }
  return ran;
}
