import type { Row } from "./row.ts";
import { appRestarts } from "./scenarios/app-restart.ts";
import { badReloads } from "./scenarios/bad-reload.ts";
import { kafkaReject } from "./scenarios/kafka-reject.ts";
import { lateApps } from "./scenarios/late-app.ts";
import { poisons } from "./scenarios/poison.ts";

/** All lines of the table, in its order. */
export const rows: readonly Row[] = [
  kafkaReject,
  ...appRestarts,
  ...lateApps,
  ...poisons,
  ...badReloads,
];
