import s3 from "../../../src/bindings/aws/aws.s3/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { makeBucket } from "../aws/aws.s3/moto-bucket.ts";
import { testAttempts } from "./suite.ts";

type Bucket = Awaited<ReturnType<typeof makeBucket>>;

describeWith("moto", (server) => {
  const place =
    (operation: string, of: (bucket: Bucket, mark: string) => Promise<number>, more: object) =>
    async () => {
      const bucket = await makeBucket(server);
      return {
        server,
        properties: (proxy: { host: string; port: number }) => ({
          ...bucket.properties,
          endpoint: `http://${proxy.host}:${proxy.port}`,
        }),
        ...{ operation, idempotent: true, connectsByCall: true },
        request: (data: string) => ({ data, metadata: { key: "k" } }),
        done: (mark: string) => of(bucket, mark),
        ...more,
      };
    };
  const isStored = async (bucket: Bucket, mark: string): Promise<number> =>
    (await bucket.keys()).includes("k") && String(await bucket.get("k")) === mark ? 1 : 0;

  testAttempts(s3, "create", place("create", isStored, {}));

  // Each attempt would be an object of its own.
  testAttempts(
    s3,
    "create without a key",
    place(
      "create",
      async (bucket, mark) => {
        const all = await Promise.all((await bucket.keys()).map((key) => bucket.get(key)));
        return all.filter((content) => String(content) === mark).length;
      },
      { idempotent: false, request: (data: string) => ({ data }) },
    ),
  );
});
