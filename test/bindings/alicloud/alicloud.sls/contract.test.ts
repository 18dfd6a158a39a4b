import { describeWith } from "../../../servers/describe-with.ts";
import { testRestart, testSource } from "../../contract.ts";
import { slsSource } from "./contract-source.ts";

describeWith("sls", (server) => testSource("alicloud.sls", slsSource(server)));

describeWith("sls", { own: true }, (server) =>
  testRestart("alicloud.sls", slsSource(server), server),
);
