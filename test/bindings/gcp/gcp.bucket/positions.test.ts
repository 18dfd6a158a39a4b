// One test for each cell of the row in docs/positions.md.
import { expect, test, vi } from "vitest";
import { describeWith } from "../../../servers/describe-with.ts";
import { read } from "../../contract.ts";
import { bucketSource } from "./contract-source.ts";
import { makeBucket, objectsIn, putObject, remove } from "./make-bucket.ts";

const soon = { timeout: 20_000, interval: 5 };

describeWith("fake-gcs", (server) => {
  const source = bucketSource(server);
  const place = async (more: Record<string, string> = {}) => {
    const bucket = await makeBucket(server);
    const input = { direction: "input", onHandled: "delete", pollInterval: "20ms", ...more };
    return {
      bucket,
      put: (key: string, text: string) => putObject(server.url, bucket, key, text),
      keys: async () => (await objectsIn(server.url, bucket)).map(({ name }) => name),
      input: { properties: { bucket, projectID: "p", endpoint: server.url, ...input } },
    };
  };

  test("gcp.bucket: Without a position", async () => {
    const { put, input } = await place();
    await put("before", "before");
    const { app } = await read(source, input);
    await vi.waitFor(() => expect(app.texts).toEqual(["before"]), soon);
  });

  test("gcp.bucket: After a gap", async () => {
    const { bucket, put, input } = await place();
    await put("a", "deleted unread");
    await remove(server.url, bucket, "a");
    await put("b", "next");
    const { app } = await read(source, input);
    await vi.waitFor(() => expect(app.texts).toEqual(["next"]), soon);
  });

  test("gcp.bucket: Grows", async () => {
    const { put, input } = await place();
    const { app } = await read(source, input);
    await put("a", "1");
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    await put("a", "2");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
  });

  test("gcp.bucket: Shrinks", async () => {
    const { bucket, put, keys, input } = await place();
    const { app } = await read(source, input);
    await put("a", "1");
    await vi.waitFor(async () => expect(await keys()).toEqual([]), soon);
    await put("b", "2");
    await remove(server.url, bucket, "b").catch(() => undefined);
    await put("c", "3");
    const others = () => app.texts.filter((text) => text !== "2");
    await vi.waitFor(() => expect(others()).toEqual(["1", "3"]), soon);
  });

  test("gcp.bucket: Made anew", { timeout: 60_000 }, async () => {
    const { bucket, put, input } = await place();
    const { app, status } = await read(source, input);
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    await remove(server.url, bucket);
    await vi.waitFor(() => expect(status().state).toBe("reconnecting"), soon);
    await makeBucket(server, bucket);
    await put("a", "new");
    await vi.waitFor(() => expect(app.texts).toEqual(["new"]), soon);
  });

  test("gcp.bucket: handled objects are moved or tagged; what is stored anew is read again", async () => {
    const moved = await place({ onHandled: "move:done/", prefix: "in/" });
    await moved.put("in/a b", "1");
    await read(source, moved.input);
    await vi.waitFor(async () => expect(await moved.keys()).toEqual(["done/a b"]), soon);
    const tagged = await place({ onHandled: "tag" });
    await tagged.put("a", "1");
    const { app } = await read(source, tagged.input);
    const first = async () => (await objectsIn(server.url, tagged.bucket))[0]?.metadata;
    await vi.waitFor(
      async () => expect(await first()).toEqual({ "cufflink-handled": "true" }),
      soon,
    );
    // Stored again it is another object, without the mark.
    await tagged.put("a", "2");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
  });

  test("gcp.bucket: of a large object the reference comes", async () => {
    const { put, bucket, input } = await place({ inlineLimit: "10" });
    await put("large", "x".repeat(11));
    const { app } = await read(source, input);
    await vi.waitFor(() => expect(app.texts).toHaveLength(1), soon);
    expect(JSON.parse(app.texts[0] ?? "")).toMatchObject({ bucket, key: "large", size: 11 });
  });
});
