import bucketBinding from "../../../src/bindings/gcp/gcp.bucket/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { emptyBucket, makeBucket, objectsIn } from "../gcp/gcp.bucket/make-bucket.ts";
import { testHostileValues } from "./suite.ts";

describeWith("fake-gcs", (server) => {
  const places = ["the key", "the content type", "the key of a copy", "the new name"];
  testHostileValues(bucketBinding, places, async () => {
    const bucket = await makeBucket(server);
    const { url } = server;
    const arrived = async (more?: string): Promise<string[]> => {
      const objects = await objectsIn(url, bucket);
      await emptyBucket(url, bucket);
      return objects.map(({ name }) => name).filter((name) => name !== more);
    };
    return {
      properties: { bucket, projectID: "p", endpoint: url },
      places: {
        "the key": {
          send: (output, key) => output.invoke("create", { key }, { data: "x" }),
          arrived,
        },
        "the content type": {
          send: (output, contentType) =>
            output.invoke("create", { key: "k", contentType }, { data: "x" }),
          async arrived() {
            const objects = await objectsIn(url, bucket);
            await emptyBucket(url, bucket);
            return objects.map(({ contentType }) => contentType ?? "");
          },
        },
        "the key of a copy": {
          async send(output, destinationKey) {
            await output.invoke("create", { key: "source" }, { data: "x" });
            const data = JSON.stringify({ destinationKey });
            await output.invoke("copy", { key: "source" }, { data });
          },
          arrived: () => arrived("source"),
        },
        "the new name": {
          async send(output, newName) {
            await output.invoke("create", { key: "source" }, { data: "x" });
            const data = JSON.stringify({ newName });
            await output.invoke("rename", { key: "source" }, { data });
          },
          arrived: () => arrived("source"),
        },
      },
    };
  });
});
