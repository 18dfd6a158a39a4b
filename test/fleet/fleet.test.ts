// The quickest cell of the fleet's faults; `npm run test:fleet` runs all.
import { expect, test } from "vitest";
import { Servers } from "../faults/servers.ts";
import { describeWith } from "../servers/describe-with.ts";
import { runStrike } from "./cell.ts";
import { Fleet } from "./fleet.ts";
import { files, ticks } from "./sources.ts";
import { quickStrike } from "./strikes.ts";

describeWith("nats", { own: true, started: false }, () => {
  test(
    "when the owner is killed another replica reads on: no file lost, no tick missed or doubled",
    { timeout: 240_000 },
    async () => {
      await using servers = new Servers(1);
      await using fleet = await Fleet.open({ servers, sources: [ticks, files], replicas: 2 });
      const { failures, sources } = await runStrike(fleet, quickStrike, 1);
      if (failures.length > 0) fleet.keep();
      expect({ failures, folder: failures.length > 0 ? fleet.folder : undefined }).toEqual({
        failures: [],
      });
      expect(sources.map(({ lost }) => lost)).toEqual([0, 0]);
    },
  );
});
