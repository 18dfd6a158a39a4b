import { withClouds } from "../../../clouds.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { testSource } from "../../contract.ts";
import { sqsSource } from "./contract-source.ts";

describeWith("moto", (server) => {
  testSource("aws.sqs", sqsSource(server));
  // It looks again for unlocked groups only with the next request, a second later.
  if (withClouds) testSource("aws.sqs, FIFO", sqsSource(server, true));
});
