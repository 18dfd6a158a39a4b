import bucketBinding from "../../../src/bindings/gcp/gcp.bucket/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { makeBucket, objectsIn } from "../gcp/gcp.bucket/make-bucket.ts";
import { testAttempts } from "./suite.ts";

describeWith("fake-gcs", (server) => {
  testAttempts(bucketBinding, "create", async () => {
    const bucket = await makeBucket(server);
    return {
      server,
      properties: ({ host, port }) => ({
        ...{ bucket, projectID: "p", endpoint: `http://${host}:${port}` },
      }),
      operation: "create",
      request: (key) => ({ metadata: { key }, data: "x" }),
      noticesByCall: true,
      async done(mark) {
        return (await objectsIn(server.url, bucket)).filter(({ name }) => name === mark).length;
      },
    };
  });
});
