// Writes deploy/grafana/*.json.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { dashboards } from "./dashboards/dashboards.ts";

const folder = join(import.meta.dirname, "../deploy/grafana");
for (const [name, text] of Object.entries(dashboards)) writeFileSync(join(folder, name), text);
