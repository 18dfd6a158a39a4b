import { describeWith } from "../../../servers/describe-with.ts";
import { testSource } from "../../contract.ts";
import { bucketSource } from "./contract-source.ts";

describeWith("fake-gcs", (server) => {
  testSource("gcp.bucket, handled objects deleted", bucketSource(server));
  testSource("gcp.bucket, handled objects moved", bucketSource(server, "move:done/"));
  testSource("gcp.bucket, handled objects tagged", bucketSource(server, "tag"));
});
