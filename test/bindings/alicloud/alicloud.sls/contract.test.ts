import { describeWith } from "../../../servers/describe-with.ts";
import { testRestart, testSource } from "../../contract.ts";
import { withClouds } from "../../../clouds.ts";
import { slsSource } from "./contract-source.ts";
import { testVendorSdk } from "./vendor-sdk.ts";

describeWith("sls", (server) => testSource("alicloud.sls", slsSource(server)));

describeWith("sls", { own: true }, (server) =>
  testRestart("alicloud.sls", slsSource(server), server),
);

if (withClouds) testVendorSdk();
