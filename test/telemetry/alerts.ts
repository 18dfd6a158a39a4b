import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

/** The shipped file of alerts. */
export const alertsText = readFileSync(
  join(import.meta.dirname, "../../deploy/prometheus/alerts.yaml"),
  "utf8",
);

type Alert = { readonly alert: string; readonly expr: string };

/** The shipped alerts. */
export const alerts = (parse(alertsText) as { groups: { rules: Alert[] }[] }).groups.flatMap(
  ({ rules }) => rules,
);
