// Alibaba's SDK for Go against the same stand-in, and beside the binding.
import { expect, test, vi } from "vitest";
import sls from "../../../../src/bindings/alicloud/alicloud.sls/index.ts";
import { openInput } from "../../opened-input.ts";
import { openOutput } from "../../opened-output.ts";
import { runVendorSdk } from "../vendor-sdk.ts";
import { account } from "./client.ts";
import { startLogService } from "./start.ts";

const soon = { timeout: 30_000, interval: 5 };
const place = { topic: "t", source: "s" };

export function testVendorSdk(): void {
  test(
    "Alibaba's SDK shares a group, and what it reads and writes, with the binding",
    { timeout: 120_000 },
    async () => {
      const { server, output, input } = await startLogService(1);
      await using writer = await openOutput(sls, { ...output, ...place });
      await writer.invoke("create", {}, { data: '{"content":"ours","ä":"ü"}' });
      const read: unknown[] = [];
      const running = runVendorSdk(
        [
          ...["sls", server.url, account.accessKeyID, account.accessKeySecret],
          ...[account.project, "orders", "members"],
        ],
        (value) => read.push(value),
      );
      await vi.waitFor(() => expect(read).toHaveLength(2), { timeout: 60_000, interval: 5 });
      await writer.invoke("create", {}, { data: '{"content":"end"}' });
      await running;
      const long = "the same again ".repeat(500);
      expect(read).toEqual([
        { shard: 0, topic: "t", texts: { content: "ours", ä: "ü" } },
        { shard: 0, topic: "go", texts: { content: "written by Go", long } },
        { shard: 0, topic: "t", texts: { content: "end" } },
      ]);
      server.logstores.get("orders")?.groups.get("members")?.members.delete("go");
      await writer.invoke("create", {}, { data: '{"content":"after"}' });
      const after = await openInput(sls, input);
      expect(String(Buffer.from((await after.next()).data ?? []))).toBe("after");
      const all = await openInput(sls, { ...input, consumerGroup: "others" });
      await vi.waitFor(() => expect(all.events).toHaveLength(4), soon);
      const texts = all.events.map(({ data }) => Buffer.from(data ?? []).toString());
      expect(texts).toEqual(["ours", "written by Go", "end", "after"]);
      expect(Buffer.from(all.events[1]?.headers[0]?.value ?? []).toString()).toBe(long);
    },
  );
}
