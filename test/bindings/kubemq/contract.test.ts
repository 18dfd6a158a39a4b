import { describeWith } from "../../servers/describe-with.ts";
import { testRestart, testSource } from "../contract.ts";
import { kubemqSource } from "./contract-source.ts";

describeWith("kubemq", (server) => testSource("kubemq", kubemqSource(server)));
describeWith("kubemq", { own: true }, (server) =>
  testRestart("kubemq", kubemqSource(server), server),
);
