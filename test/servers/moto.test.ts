import { describe, expect, test } from "vitest";
import { describeWith } from "./describe-with.ts";

describe("moto", () => {
  describeWith("moto", (moto) => {
    test("answers as SQS does", async () => {
      const response = await fetch(moto.url, {
        method: "POST",
        headers: {
          "content-type": "application/x-amz-json-1.0",
          "x-amz-target": "AmazonSQS.ListQueues",
          authorization:
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0",
        },
        body: "{}",
      });
      expect(response.status).toBe(200);
    });
  });
});
