// One test for each cell of the row in docs/positions.md.
import { expect, test, vi } from "vitest";
import { describeWith } from "../../../servers/describe-with.ts";
import { read } from "../../contract.ts";
import { s3Source } from "./contract-source.ts";
import { makeBucket } from "./moto-bucket.ts";

const soon = { timeout: 20_000, interval: 5 };

describeWith("moto", (server) => {
  const source = s3Source(server);
  const place = async () => {
    const bucket = await makeBucket(server);
    const input = { direction: "input", onHandled: "delete", pollInterval: "20ms" };
    return { ...bucket, input: { properties: { ...bucket.properties, ...input } } };
  };

  test("aws.s3: Without a position", async () => {
    const { put, input } = await place();
    await put("before", "before");
    const { app } = await read(source, input);
    await vi.waitFor(() => expect(app.texts).toEqual(["before"]), soon);
  });

  test("aws.s3: After a gap", async () => {
    const { put, send, input } = await place();
    await put("a", "deleted unread");
    await send("DELETE", "/a");
    await put("b", "next");
    const { app } = await read(source, input);
    await vi.waitFor(() => expect(app.texts).toEqual(["next"]), soon);
  });

  test("aws.s3: Grows", async () => {
    const { put, keys, input } = await place();
    const { app } = await read(source, input);
    await put("a", "1");
    // moto heeds no condition: what replaces it before it is deleted would be deleted.
    await vi.waitFor(async () => expect(await keys()).toEqual([]), soon);
    expect(app.texts).toEqual(["1"]);
    await put("a", "2");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
  });

  test("aws.s3: Shrinks", async () => {
    const { put, send, keys, input } = await place();
    const { app } = await read(source, input);
    await put("a", "1");
    await vi.waitFor(async () => expect(await keys()).toEqual([]), soon);
    await put("b", "2");
    await send("DELETE", "/b").catch(() => undefined);
    await put("c", "3");
    await vi.waitFor(
      () => expect(app.texts.filter((text) => text !== "2")).toEqual(["1", "3"]),
      soon,
    );
  });

  test("aws.s3: Made anew", { timeout: 60_000 }, async () => {
    const { send, put, input } = await place();
    const { app, status } = await read(source, input);
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    await send("DELETE", "");
    await vi.waitFor(() => expect(status().state).toBe("reconnecting"), soon);
    await send("PUT", "");
    await put("a", "new");
    await vi.waitFor(() => expect(app.texts).toEqual(["new"]), soon);
  });
});
