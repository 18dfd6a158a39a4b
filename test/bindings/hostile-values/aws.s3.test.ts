import s3 from "../../../src/bindings/aws/aws.s3/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { makeBucket } from "../aws/aws.s3/moto-bucket.ts";
import { testHostileValues } from "./suite.ts";

describeWith("moto", (server) => {
  testHostileValues(s3, ["the key", "the content type", "a tag"], async () => {
    const bucket = await makeBucket(server);
    /** What is there, which is deleted: the next value finds nothing. */
    const taken = async (read: (key: string) => Promise<string>): Promise<string[]> => {
      const keys = (await bucket.keys()).map(unescaped);
      const values = await Promise.all(keys.map(read));
      for (const key of keys) await bucket.send("DELETE", `/${encodeURIComponent(key)}`);
      return values;
    };
    return {
      properties: bucket.properties,
      places: {
        "the key": {
          send: (output, key) => output.invoke("create", { key }, { data: "x" }),
          arrived: () => taken(async (key) => key),
        },
        "the content type": {
          send: (output, value) =>
            output.invoke("create", { key: "k", "Content-Type": value }, { data: "x" }),
          arrived: () => taken(async (key) => (await bucket.head(key)).get("content-type") ?? ""),
        },
        "a tag": {
          send: (output, value) =>
            output.invoke("create", { key: "k", tags: `mark=${value}` }, { data: "x" }),
          arrived: () =>
            taken(async (key) => {
              const text = await bucket.tags(key);
              return unescaped(/<Value>([^<]*)<\/Value>/.exec(text)?.[1] ?? "");
            }),
        },
      },
    };
  });
});

function unescaped(text: string): string {
  return text
    .replaceAll("&quot;", '"')
    .replaceAll("&#34;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll(/&#x?0*[dD];|&#13;/g, "\r")
    .replaceAll("&amp;", "&");
}
