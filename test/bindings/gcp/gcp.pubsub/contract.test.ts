import { describeWith } from "../../../servers/describe-with.ts";
import { testRestart, testSource } from "../../contract.ts";
import { pubsubSource } from "./contract-source.ts";

describeWith("pstest", (server) => testSource("gcp.pubsub", pubsubSource(server)));
describeWith("pstest", { own: true }, (server) =>
  testRestart("gcp.pubsub", pubsubSource(server), server),
);
