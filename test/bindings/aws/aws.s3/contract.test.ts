import { describeWith } from "../../../servers/describe-with.ts";
import { testSource } from "../../contract.ts";
import { s3Source } from "./contract-source.ts";

describeWith("moto", (server) => {
  testSource("aws.s3, handled objects deleted", s3Source(server));
  testSource("aws.s3, handled objects moved", s3Source(server, "move:done/"));
  testSource("aws.s3, handled objects tagged", s3Source(server, "tag"));
});
