import { describeWith } from "../../servers/describe-with.ts";
import { testRestart, testSource } from "../contract.ts";
import { amqpSource } from "./contract-source.ts";

describeWith("artemis", (server) => {
  testSource("amqp", amqpSource(server, "group"));
  testSource("amqp, one by one", amqpSource(server, "one"));
});

describeWith("artemis", { own: true }, (server) =>
  testRestart("amqp", amqpSource(server, "group"), server),
);
