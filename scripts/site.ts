// The site of docs/: `node scripts/site.ts dev|build|preview`. Installs VitePress into site/ if it is not there, and
// fails on a link that leads nowhere.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { deadLinks } from "./site/dead-links.ts";
import { root } from "./site/links.ts";
import { installFrom } from "./test-drivers.ts";

const [command = "build", ...flags] = process.argv.slice(2);
const site = join(root, "site");
installFrom(site);
const program = join(site, "node_modules/vitepress/bin/vitepress.js");
const { status } = spawnSync(process.execPath, [program, command, site, ...flags], {
  stdio: "inherit",
});
process.exitCode = status ?? 1;
if (command === "build" && status === 0) {
  const dead = deadLinks(join(site, ".vitepress/dist"));
  for (const one of dead) console.error(one);
  if (dead.length > 0) process.exitCode = 1;
}
