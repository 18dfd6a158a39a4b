import { expect, onTestFinished, test, vi } from "vitest";
import { main } from "../../src/cli/main.ts";
import { stateFolder } from "../../src/store/state-folder.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { openStore, temporaryFolder } from "../store/opened-store.ts";
import { deadLetter } from "../store/records.ts";

/** Runs the command, and resolves to how it ended and what it wrote. */
async function run(...args: string[]) {
  const written = { out: "", error: "" };
  const capture = (stream: NodeJS.WriteStream, key: "out" | "error"): void => {
    const spy = vi.spyOn(stream, "write").mockImplementation((text) => {
      written[key] += String(text);
      return true;
    });
    onTestFinished(() => {
      spy.mockRestore();
    });
  };
  capture(process.stdout, "out");
  capture(process.stderr, "error");
  const code = await main(["store", "copy", ...args]);
  return { code, ...written };
}

describeWith("nats", ({ url }) => {
  test("records are copied, unless a runtime has the source, which is said", async () => {
    const [appId, stateDir] = [uniqueName("copied"), temporaryFolder()];
    const store = openStore({ folder: stateFolder(appId, stateDir, {}) });
    // Old ones come along: the runtime decides what it keeps.
    await store.deadLetters.put(deadLetter({ storedAt: 1000 }), "f");
    const flags = ["--app-id", appId, "--state-dir", stateDir, "--from", "sqlite", "--to", url];
    const busy = await run(...flags);
    expect(busy.code).toBe(69);
    expect(busy.error).toContain("end that");
    await store.close();
    const first = await run(...flags);
    expect([first.code, first.error]).toEqual([0, ""]);
    expect(first.out).toContain("dead letter  1 copied, 0 there already\n");
    const again = await run(...flags, "--json");
    expect(JSON.parse(again.out)).toMatchObject({
      "dead letter": { copied: 0, present: 1, "left out": 0 },
    });
  });
});

test("what cannot be meant, and a server that is away, are said", async () => {
  const wrong = await run("--from", "sqlite", "--to", "http://user:secret@host");
  expect(wrong).toMatchObject({ code: 2, error: expect.stringContaining("--to takes sqlite") });
  expect(wrong.error).not.toContain("secret");
  expect((await run("--from", "sqlite", "--to", "sqlite")).code).toBe(2);
  const away = await run("--from", "nats://127.0.0.1:1", "--to", "nats://127.0.0.1:2");
  expect(away).toMatchObject({ code: 69, error: expect.stringContaining("127.0.0.1:1") });
});
