// Puts the project's Node (scripts/node26) in front of npm's scripts, as node_modules/.bin/node.
// npm 11 does so by itself; npm 10 takes the link away again with the packages of the other
// platforms, which all have a `node` too. Plain JavaScript, because the installed Node runs it.
import { existsSync, rmSync, symlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";

const modules = fileURLToPath(new URL("../node_modules/", import.meta.url));
const system =
  process.platform === "darwin" && process.arch === "arm64" ? "bin-darwin" : process.platform;
const binary = `node-${system}-${process.arch}/bin/node`;
const link = `${modules}.bin/node`;

if (process.platform !== "win32" && existsSync(modules + binary) && !existsSync(link)) {
  rmSync(link, { force: true });
  symlinkSync(`../${binary}`, link);
}
