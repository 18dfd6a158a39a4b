import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ResourceWatcher } from "../../src/resources/watch.ts";
import { until } from "../until.ts";

async function watching(
  prepare: (root: string) => Promise<string[]>,
  holds: "resources" | "secrets" = "resources",
) {
  const root = await mkdtemp(join(tmpdir(), "cufflink-watch-"));
  const paths = await prepare(root);
  let changes = 0;
  const watcher = new ResourceWatcher({
    paths: () => paths.map((path) => ({ path, holds })),
    onChange: () => changes++,
    logger: { warn() {} },
  });
  await watcher.start();
  onTestFinished(async () => {
    watcher.close();
    await rm(root, { recursive: true, force: true });
  });
  /** Does something, and waits until it is told. */
  const expectTold = async (what: string, act: () => Promise<unknown>): Promise<void> => {
    const before = changes;
    await act();
    await until(() => changes > before, { what: `a change to be told: ${what}` });
    expect(changes).toBeGreaterThan(before);
  };
  return { root, expectTold, changes: () => changes };
}

test("a file that is written in place, replaced, emptied, added or removed", async () => {
  const { root, expectTold } = await watching(async (root) => {
    await writeFile(join(root, "a.yaml"), "one");
    return [root];
  });
  const a = join(root, "a.yaml");
  await expectTold("in place", () => writeFile(a, "two"));
  await expectTold("emptied", () => writeFile(a, ""));
  await expectTold("replaced", async () => {
    await writeFile(join(root, ".a.yaml.tmp"), "three");
    await rename(join(root, ".a.yaml.tmp"), a);
  });
  await expectTold("added", () => writeFile(join(root, "b.yaml"), "b"));
  await expectTold("removed", () => unlink(a));
});

test("a file of such a volume by its own path", async () => {
  const { root, expectTold } = await watching(async (root) => {
    await mkdir(join(root, "..v1"));
    await writeFile(join(root, "..v1/tls.crt"), "one");
    await symlink("..v1", join(root, "..data"));
    await symlink("..data/tls.crt", join(root, "tls.crt"));
    return [join(root, "tls.crt")];
  }, "secrets");
  const started = performance.now();
  await expectTold("the next version", async () => {
    await mkdir(join(root, "..v2"));
    await writeFile(join(root, "..v2/tls.crt"), "two");
    await symlink("..v2", join(root, "..data_tmp"));
    await rename(join(root, "..data_tmp"), join(root, "..data"));
  });
  // Without a notice it would be seen only after ten seconds.
  expect(performance.now() - started).toBeLessThan(8000);
});

test("a mounted volume whose versions are swapped by a link, as Kubernetes does", async () => {
  const { root, expectTold } = await watching(async (root) => {
    await mkdir(join(root, "..v1"));
    await writeFile(join(root, "..v1/a.yaml"), "one");
    await symlink("..v1", join(root, "..data"));
    await symlink("..data/a.yaml", join(root, "a.yaml"));
    return [root];
  });
  for (const version of ["..v2", "..v3"]) {
    await expectTold(version, async () => {
      await mkdir(join(root, version));
      await writeFile(join(root, version, "a.yaml"), version);
      await symlink(version, join(root, "..data_tmp"));
      await rename(join(root, "..data_tmp"), join(root, "..data"));
    });
  }
});

test("a folder of secrets, each in a folder of its own", async () => {
  const { root, expectTold } = await watching(async (root) => {
    await mkdir(join(root, "redis"));
    await writeFile(join(root, "redis/password"), "one");
    return [root];
  }, "secrets");
  await expectTold("a key", () => writeFile(join(root, "redis/password"), "two"));
  await expectTold("another secret", () => mkdir(join(root, "kafka")));
  await expectTold("its key", () => writeFile(join(root, "kafka/password"), "x"));
});

test("a folder that appears later, goes, comes again, or is another one's name", async () => {
  const { root, expectTold } = await watching(async (root) => [join(root, "deep/components")]);
  const folder = join(root, "deep/components");
  await expectTold("it appears", async () => {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "a.yaml"), "one");
  });
  await expectTold("a file in it", () => writeFile(join(folder, "a.yaml"), "two"));
  await expectTold("it goes", () => rm(folder, { recursive: true }));
  await expectTold("it comes again", () => mkdir(folder));
  await expectTold("a file in the new one", () => writeFile(join(folder, "a.yaml"), "three"));
  await expectTold("a link in its place", async () => {
    await mkdir(join(root, "other"));
    await writeFile(join(root, "other/a.yaml"), "four");
    await rename(folder, join(root, "old"));
    await symlink(join(root, "other"), folder);
  });
  await expectTold("a file behind the link", () => writeFile(join(folder, "a.yaml"), "five"));
});

test("a file by its own path, and the file that a link leads to", async () => {
  const { root, expectTold } = await watching(async (root) => {
    await mkdir(join(root, "elsewhere"));
    await writeFile(join(root, "elsewhere/secrets.json"), "{}");
    await symlink(join(root, "elsewhere/secrets.json"), join(root, "secrets.json"));
    return [join(root, "secrets.json"), join(root, "config.yaml")];
  });
  await expectTold("behind the link", () =>
    writeFile(join(root, "elsewhere/secrets.json"), '{"a":1}'),
  );
  await expectTold("one that was not there", () => writeFile(join(root, "config.yaml"), "x"));
  await expectTold("gone", () => unlink(join(root, "secrets.json")));
});

test("many changes in a row are told once or twice; what does not count is not told", async () => {
  const { root, expectTold, changes } = await watching(async (root) => {
    await writeFile(join(root, "a.yaml"), "");
    await mkdir(join(root, "beside"));
    return [join(root, "a.yaml")];
  });
  await expectTold("a burst", async () => {
    for (let n = 0; n < 200; n++) await writeFile(join(root, "a.yaml"), String(n));
  });
  const after = changes();
  expect(after).toBeLessThanOrEqual(3);
  await writeFile(join(root, "beside/b.yaml"), "x");
  await expectTold("the next one", () => writeFile(join(root, "a.yaml"), "done"));
});
