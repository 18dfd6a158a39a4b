import { withClouds } from "../../../clouds.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { testSource } from "../../contract.ts";
import { s3Source } from "./contract-source.ts";

function sources(server: { readonly url: string }): void {
  testSource("aws.s3, handled objects deleted", s3Source(server));
  testSource("aws.s3, handled objects moved", s3Source(server, "move:done/"));
  testSource("aws.s3, handled objects tagged", s3Source(server, "tag"));
}

describeWith("moto", sources);
if (withClouds) describeWith("minio", sources);
