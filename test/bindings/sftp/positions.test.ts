// The row of sftp in docs/positions.md: one test for each cell.
import { existsSync } from "node:fs";
import { chmod, mkdir, rename, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import sftp from "../../../src/bindings/sftp/index.ts";
import type { Outcome } from "../../../src/runtime/app.ts";
import { handled } from "../../runtime/fake-app.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { read } from "../contract.ts";

const soon = { timeout: 20_000, interval: 5 };

describeWith("openssh", { own: true }, (server) => {
  async function place() {
    const rootPath = uniqueName("root");
    const parent = join(server.files, rootPath);
    const folder = join(parent, "in");
    const make = async (path: string): Promise<void> => {
      await mkdir(path);
      await chmod(path, 0o777);
    };
    await make(parent);
    await make(folder);
    const put = async (name: string, text: string): Promise<void> => {
      await writeFile(join(folder, `${name}.part`), text);
      await rename(join(folder, `${name}.part`), join(folder, name));
    };
    const properties = {
      ...{ address: `${server.host}:${server.port}`, ...server.login, rootPath, folder: "in" },
      ...{ quietTime: "20ms", pollInterval: "30ms", maxPollInterval: "60ms", recursive: "true" },
    };
    const begin = (answer?: (text: string) => Outcome | Promise<Outcome>) =>
      read({ binding: sftp }, { properties }, answer);
    return { parent, folder, put, make, begin };
  }

  test("sftp: Without a position", async () => {
    const { folder, put, begin } = await place();
    await put("2", "two");
    await put("1", "one");
    await utimes(join(folder, "1"), 1_700_000_000, 1_700_000_000);
    const { app } = await begin();
    await vi.waitFor(() => expect(app.texts).toEqual(["one", "two"]), soon);
  });

  test("sftp: After a gap", async () => {
    const { folder, put, begin } = await place();
    await put("1", "one");
    await put("2", "two");
    await rm(join(folder, "1"));
    const { app } = await begin();
    await put("3", "three");
    await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(["three", "two"]), soon);
  });

  test("sftp: Grows", async () => {
    const { folder, put, make, begin } = await place();
    const { app, status } = await begin();
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    await make(join(folder, "new"));
    await put("new/1", "one");
    await vi.waitFor(() => expect(app.texts).toEqual(["one"]), soon);
  });

  test("sftp: Shrinks", async () => {
    const { folder, put, begin } = await place();
    const answer = Promise.withResolvers<Outcome>();
    const { app, status } = await begin(() => answer.promise);
    await put("1", "one");
    await vi.waitFor(() => expect(app.texts).toEqual(["one"]), soon);
    await rm(join(folder, "1"));
    answer.resolve(handled);
    await vi.waitFor(() => expect(status()).toMatchObject({ handled: 1, inFlight: 0 }), soon);
    await put("2", "two");
    await vi.waitFor(() => expect(app.texts).toEqual(["one", "two"]), soon);
    expect(status().state).toBe("running");
  });

  test("sftp: Made anew", async () => {
    const { parent, folder, put, make, begin } = await place();
    const { app, status } = await begin();
    await put("1", "one");
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    // While it is put away, the folder for it may be made.
    await vi.waitFor(() => expect(existsSync(join(folder, "1"))).toBe(false), soon);
    await rename(folder, join(parent, "old"));
    await vi.waitFor(() => expect(status().state).toBe("stalled"), soon);
    expect(status().reason).toContain("does not exist on the server");
    await make(folder);
    await put("1", "one again");
    await vi.waitFor(() => expect(app.texts).toEqual(["one", "one again"]), soon);
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
  });
});
