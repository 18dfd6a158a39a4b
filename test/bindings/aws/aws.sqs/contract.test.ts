import { withClouds } from "../../../clouds.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { testRestart, testSource } from "../../contract.ts";
import { sqsSource } from "./contract-source.ts";

describeWith("moto", (server) => {
  testSource("aws.sqs", sqsSource(server));
});

if (withClouds) {
  describeWith("elasticmq", (server) => {
    testSource("aws.sqs", sqsSource(server));
    testSource("aws.sqs, FIFO", sqsSource(server, true));
  });

  describeWith("elasticmq", { own: true }, (server) => {
    testRestart("aws.sqs", sqsSource(server), server);
  });
}
