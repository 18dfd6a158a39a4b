import { describeWith } from "../../../servers/describe-with.ts";
import { testSource } from "../../contract.ts";
import { kinesisSource } from "./contract-source.ts";

describeWith("moto", (server) => {
  testSource("aws.kinesis", kinesisSource(server));
});
