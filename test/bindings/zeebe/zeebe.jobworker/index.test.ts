import { expect, test, vi } from "vitest";
import jobworker from "../../../../src/bindings/zeebe/zeebe.jobworker/index.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { openInput } from "../../opened-input.ts";
import { zeebePeer } from "../peer.ts";

const soon = { timeout: 20_000, interval: 5 };
const textOf = (data: Uint8Array | undefined): string => Buffer.from(data ?? []).toString();

type Server = { readonly host: string; readonly port: number };

async function place(server: Server, options: { readonly retries?: number } = {}) {
  const peer = zeebePeer(server);
  const { type, processId } = await peer.place(options);
  const properties = {
    ...{ gatewayAddr: `${server.host}:${server.port}`, usePlainTextConnection: "true" },
    jobType: type,
  };
  return {
    ...{ peer, type, processId },
    start: (variables = "{}") => peer.start(processId, variables),
    read: (more: Record<string, string> = {}) => openInput(jobworker, { ...properties, ...more }),
  };
}

describeWith("zeebe", (server) => {
  test("a reply's members are the job's variables; without one there are none", async () => {
    const { start, read, peer, type } = await place(server);
    await start('{"a":1}');
    const input = await read();
    const first = await input.next();
    expect(textOf(first.data)).toBe('{"a":1}');
    first.settle({ outcome: "handled", reply: { data: Buffer.from('{"done":true}') } });
    await start();
    const second = await input.next();
    second.settle({ outcome: "handled", reply: { data: new Uint8Array() } });
    await input.reader.flush();
    await input.close();
    expect(await peer.activate(type)).toEqual([]);
  });

  test("a reply that is no JSON object fails the job", async () => {
    const { start, read, peer, type } = await place(server);
    await start();
    const input = await read();
    const event = await input.next();
    event.settle({ outcome: "handled", reply: { data: Buffer.from("ready") } });
    const again = await input.next();
    expect(again.metadata["X-Zeebe-Retries"]).toBe("2");
    await input.close();
    expect(await peer.activate(type)).toMatchObject([{ retries: 2 }]);
  });

  test("a failure takes one retry; what nobody tried takes none, and is given back at once", async () => {
    const { start, read, peer, type } = await place(server);
    await start();
    const input = await read({ workerTimeout: "10m" });
    const first = await input.next();
    expect(first).toMatchObject({
      metadata: { "X-Zeebe-Retries": "3" },
      lease: { duration: 600_000 },
    });
    first.settle({ outcome: "returned", reason: "no" });
    const second = await input.next();
    expect(second.metadata["X-Zeebe-Retries"]).toBe("2");
    second.settle({ outcome: "returned", reason: "no", unattempted: true });
    const third = await input.next();
    expect(third.metadata["X-Zeebe-Retries"]).toBe("2");
    // It is held at the end.
    await input.close();
    expect(await peer.activate(type)).toMatchObject([{ retries: 2 }]);
  });

  test("the pause of a failed job is the longer one of both", async () => {
    const { start, read } = await place(server);
    await start();
    const input = await read({ retryBackOff: "400ms" });
    const first = await input.next();
    const begun = performance.now();
    first.settle({ outcome: "returned", reason: "no" });
    await input.next();
    expect(performance.now() - begun).toBeGreaterThan(390);
  });

  test("without retries the job waits for whoever resolves its incident", async () => {
    const { start, read, peer, type } = await place(server, { retries: 1 });
    await start();
    const input = await read();
    const event = await input.next();
    event.settle({ outcome: "returned", reason: "no" });
    await input.reader.flush();
    expect(await peer.activate(type)).toEqual([]);
  });

  test("what went to the dead letters does not let the process go on", async () => {
    const { start, read, peer, type } = await place(server);
    const instance = await start();
    const input = await read();
    const event = await input.next();
    event.settle({ outcome: "handled", movedTo: "dead letters" });
    await input.reader.flush();
    expect(await peer.activate(type)).toEqual([]);
    // It is still there.
    await expect(peer.cancel(instance)).resolves.toBeUndefined();
  });

  test("without autocomplete a handled job is the app's to complete", async () => {
    const { start, read, peer } = await place(server);
    await start();
    const input = await read({ autocomplete: "false" });
    const event = await input.next();
    expect(event.metadata["X-Zeebe-Autocomplete"]).toBe("false");
    event.settle({ outcome: "handled", reply: { data: Buffer.from("whatever") } });
    await input.reader.flush();
    await input.close();
    await expect(peer.complete(BigInt(event.id ?? 0))).resolves.toBeUndefined();
  });

  test("no more than concurrency are with the app, and no more than maxJobsActive here", async () => {
    const { start, read, peer, type } = await place(server);
    for (let n = 0; n < 12; n++) await start();
    const input = await read({ concurrency: "2", maxJobsActive: "8" });
    await vi.waitFor(() => expect(input.events).toHaveLength(2), soon);
    expect(await peer.activate(type, 1)).toHaveLength(4);
    expect(input.events).toHaveLength(2);
    for (let at = 0; at < 8; at++) {
      await vi.waitFor(() => expect(input.events.length).toBeGreaterThan(at), soon);
      expect(input.events.length).toBeLessThanOrEqual(at + 2);
      input.events[at]?.settle({ outcome: "handled" });
    }
    await vi.waitFor(() => expect(input.events.length).toBeGreaterThan(8), soon);
  });

  test("a job is held on to, also while it waits for its turn", async () => {
    const { start, read, peer, type } = await place(server);
    await start();
    await start();
    const input = await read({ concurrency: "1", workerTimeout: "1500ms" });
    const first = await input.next();
    const begun = performance.now();
    const extending = setInterval(() => void first.lease?.extend?.(), 300);
    try {
      while (performance.now() - begun < 2_000) expect(await peer.activate(type)).toEqual([]);
    } finally {
      clearInterval(extending);
    }
    first.settle({ outcome: "handled" });
    const second = await input.next();
    expect(second.id).not.toBe(first.id);
    second.settle({ outcome: "handled" });
    await input.reader.flush();
    expect(input.events).toHaveLength(2);
  });

  test("a job that is somebody else's by now ends its lease", async () => {
    const { start, read, peer } = await place(server);
    await start();
    const input = await read();
    const event = await input.next();
    await peer.complete(BigInt(event.id ?? 0));
    await expect(event.lease?.extend?.()).rejects.toMatchObject({
      ...{ effect: "rejected", systemCode: "NOT_FOUND" },
    });
    event.settle({ outcome: "handled" });
    await expect(input.reader.flush()).resolves.toBeUndefined();
    expect(input.logger.debug).toHaveBeenCalledWith(
      expect.objectContaining({ jobKey: event.id }),
      "a job is not there any more",
    );
  });

  test("fetchVariables: only these come", async () => {
    const { start, read } = await place(server);
    await start('{"a":1,"b":2,"c":3}');
    const input = await read({ fetchVariables: " a , c " });
    expect(textOf((await input.next()).data)).toBe('{"a":1,"c":3}');
  });

  test("without long polling it asks again after pollInterval", async () => {
    const { start, read } = await place(server);
    const input = await read({ requestTimeout: "-1s", pollInterval: "20ms" });
    await start();
    await expect(input.next()).resolves.toBeDefined();
  });

  test("a worker is called by its name", async () => {
    const { start, read } = await place(server);
    await start();
    const input = await read({ workerName: "me" });
    expect((await input.next()).metadata["X-Zeebe-Worker"]).toBe("me");
  });
});

describeWith(
  "zeebe",
  { own: true, only: ["CreateProcessInstance", "DeployResource"] },
  (server) => {
    test("what may not be taken is a reason to be lost", async () => {
      const { read } = await place(server);
      const input = await read();
      expect(await input.lost).toMatchObject({
        ...{ reason: "permission_denied", effect: "rejected" },
        message: expect.stringMatching(
          /^taking jobs of type "fetch.*": rpc error: code = PermissionDenied /,
        ) as string,
      });
    });
  },
);

const able = ["ActivateJobs", "CompleteJob", "FailJob"];
const others = ["CreateProcessInstance", "DeployResource"];
describeWith("zeebe", { own: true, only: [...able, ...others] }, (server) => {
  test("needs no permission beyond these; a lease that cannot be renewed runs out", async () => {
    const { start, read } = await place(server);
    await start();
    const input = await read();
    const event = await input.next();
    await expect(event.lease?.extend?.()).rejects.toMatchObject({
      systemCode: "PERMISSION_DENIED",
    });
    event.settle({ outcome: "handled" });
    await expect(input.reader.flush()).resolves.toBeUndefined();
  });
});
