import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Release } from "./check.ts";

/** The Helm chart in the form of `helm package`, whose own archives have the time of the day in them. */
export function makeChart({ root, out, version, time }: Release, dryRun: boolean): string[] {
  const charts = join(root, "deploy/helm");
  if (!existsSync(join(charts, "cufflink/Chart.yaml"))) return [];
  const file = `cufflink-chart-${version}.tgz`;
  if (!dryRun) {
    const same = ["--sort=name", `--mtime=@${time}`, "--owner=0", "--group=0", "--numeric-owner"];
    const options = [...same, "--mode=u=rwX,go=rX", "--use-compress-program=gzip -n"];
    execFileSync("tar", [...options, "-cf", join(out, file), "-C", charts, "cufflink"]);
  }
  return [file];
}
