import { describeWith } from "../../../servers/describe-with.ts";
import { testRestart, testSource } from "../../contract.ts";
import { zeebeSource } from "./contract-source.ts";

describeWith("zeebe", (server) => testSource("zeebe.jobworker", zeebeSource(server)));
describeWith("zeebe", { own: true }, (server) =>
  testRestart("zeebe.jobworker", zeebeSource(server), server),
);
