import { withClouds } from "../../../clouds.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { testRestart, testSource } from "../../contract.ts";
import { kinesisSource } from "./contract-source.ts";

describeWith("kinesalite", (server) => {
  testSource("aws.kinesis", kinesisSource(server));
});

if (withClouds) {
  describeWith("moto", (server) => {
    testSource("aws.kinesis", kinesisSource(server));
  });

  describeWith("kinesalite", { own: true }, (server) => {
    testRestart("aws.kinesis", kinesisSource(server), server);
  });
}
