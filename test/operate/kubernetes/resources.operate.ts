// Kubernetes mode with Kubernetes' own API server and etcd.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeWith } from "../../servers/describe-with.ts";
import { startProxy } from "../../servers/proxy.ts";
import { until } from "../../until.ts";
import { component, folder } from "../../resources/folder.ts";
import { file } from "../../kubernetes/place.ts";
import { record } from "../record.ts";
import { installKinds, kubePlace, serveInKubernetes } from "./cluster.ts";

const slow = { timeout: 300_000 };
const nothing = component("none", "bindings.localstorage");

describeWith("kube", { own: true }, (server) => {
  test(
    "kinds that are not installed, then rights that are missing, are named, and what comes is taken up",
    slow,
    async () => {
      const place = await kubePlace(server);
      const { command, get, list, untilComponents } = await serveInKubernetes(place.kubeconfig);
      await command.printed(
        /the right to list components\.dapr\.io in the namespace shop\S* is missing/,
      );
      await command.printed(/cufflink initialized/);
      expect((await get("/v1.0/healthz")).status).toBe(204);
      // Who may read what is not there is told so.
      await place.grant(nothing);
      await command.printed(/custom resource components\.dapr\.io is not installed in the cluster/);
      await installKinds(server);
      await place.make("Component", "files", file(folder({})));
      await untilComponents((names) => names.includes("files"), "the component");
      expect((await list("files")).status).toBe(200);
    },
  );

  test(
    "with exactly the rights that roles prints: resources, one Configuration, named secrets and no other",
    slow,
    async () => {
      const place = await kubePlace(server);
      const root = folder({});
      await place.secret("paths", { root });
      await place.secret("others", { root });
      const secret = (name: string) => ({
        spec: {
          ...{ type: "bindings.localstorage", version: "v1" },
          metadata: [{ name: "rootPath", secretKeyRef: { name, key: "root" } }],
        },
      });
      const known = component(
        ...([
          "files",
          "bindings.localstorage",
          "- {name: rootPath, secretKeyRef: {name: paths, key: root}}",
        ] as const),
      );
      await place.grant(known, "--config", "settings");
      await place.make("Configuration", "settings", {
        spec: { components: { deny: ["bindings.cron"] } },
      });
      await place.make("Configuration", "unread", { spec: {} });
      await place.make("Resiliency", "quick", {
        spec: {
          policies: { timeouts: { short: "1s" } },
          targets: { components: { files: { outbound: { timeout: "short" } } } },
        },
      });
      await place.make("Component", "files", secret("paths"));
      await place.make("Component", "more", secret("others"));
      await place.make("Component", "tick", {
        spec: {
          type: "bindings.cron",
          version: "v1",
          metadata: [{ name: "schedule", value: "@every 1h" }],
        },
      });
      const { command, list, untilComponents, components } = await serveInKubernetes(
        ...([place.kubeconfig, "--config", "settings"] as const),
      );
      await untilComponents((names) => names.includes("files"), "the component");
      await until(async () => (await list("files")).status === 200, {
        what: "its secret",
        within: 60_000,
      });
      await command.printed(/resourceNames: \[others\], verbs: \[get\]/);
      expect((await components()).toSorted()).not.toContain("tick");
      expect(command.stdout).toContain("bindings.cron/v1 are denied by the configuration");
      expect(command.stdout).not.toContain("resources cannot be read");
    },
  );

  test("a change is in force within a second", slow, async () => {
    const place = await kubePlace(server);
    await place.grant(nothing);
    const { untilComponents, command } = await serveInKubernetes(place.kubeconfig);
    await command.printed(/cufflink initialized/);
    const took: number[] = [];
    for (let n = 0; n < 10; n++) {
      await place.make("Component", `files-${n}`, file(folder({})));
      const begun = performance.now();
      await untilComponents((names) => names.includes(`files-${n}`), "a new component");
      took.push(performance.now() - begun);
    }
    took.sort((a, b) => a - b);
    const [median = 0, longest = 0] = [took[5], took[9]];
    await place.remove("Component", "files-0");
    await untilComponents((names) => !names.includes("files-0"), "a deletion");
    await record("kubernetes mode: a change", {
      changes: took.length,
      medianMilliseconds: Math.round(median),
      longestMilliseconds: Math.round(longest),
    });
    expect(longest).toBeLessThan(1000);
  });

  test(
    "the API server is killed and comes again, with the history gone: what ran goes on, what has changed comes",
    slow,
    async () => {
      await using proxy = await startProxy({ host: "127.0.0.1", port: server.port });
      const place = await kubePlace(server, proxy.port);
      await place.grant(nothing);
      await place.make("Component", "stays", file(folder({})));
      await place.make("Component", "goes", file(folder({})));
      const { command, list, components, untilComponents } = await serveInKubernetes(
        ...([place.kubeconfig, "--log-level", "debug"] as const),
      );
      await untilComponents((names) => names.length === 2, "both components");
      proxy.refuse();
      await command.printed(/resources cannot be read from Kubernetes; what was read goes on/);
      expect((await list("stays")).status).toBe(200);
      await place.remove("Component", "goes");
      await place.make("Component", "comes", file(folder({})));
      await forgetHistory(server.etcdUrl);
      await server.kill();
      proxy.heal();
      expect((await list("goes")).status).toBe(200);
      expect(await components()).toHaveLength(2);
      await server.start();
      await untilComponents(
        (names) => names.includes("comes") && !names.includes("goes"),
        "the new state",
      );
      expect(command.stdout).toMatch(/components\.dapr\.io.*HTTP 410: .*too old/);
      expect((await list("stays")).status).toBe(200);
      await command.printed(/can be read from Kubernetes again/);
    },
  );

  test("a token that is not valid any more is read anew", slow, async () => {
    await using proxy = await startProxy({ host: "127.0.0.1", port: server.port });
    const place = await kubePlace(server, proxy.port);
    await place.grant(nothing);
    const { command, untilComponents } = await serveInKubernetes(place.kubeconfig);
    await command.printed(/cufflink initialized/);
    await place.removeAccount();
    await place.makeAccount();
    // The server remembers for some seconds which tokens it has found good.
    const cutting = setInterval(() => proxy.cut(), 500);
    await command
      .printed(/the API server does not take the token/)
      .finally(() => clearInterval(cutting));
    await place.writeToken();
    await place.make("Component", "files", file(folder({})));
    await untilComponents((names) => names.includes("files"), "the component");
    expect(command.stdout).not.toContain(readFileSync(join(place.folder, "token"), "utf8"));
  });

  test("5,000 components, of which 500 are the app's", { timeout: 900_000 }, async () => {
    const place = await kubePlace(server);
    await place.grant(nothing);
    const root = folder({});
    const names = Array.from({ length: 5000 }, (_, n) => `files-${String(n).padStart(4, "0")}`);
    const scopes = (n: number) => ({ scopes: [n % 10 === 0 ? "orders" : `other-${n}`] });
    for (let at = 0; at < names.length; at += 20)
      await Promise.all(
        names
          .slice(at, at + 20)
          .map((name, n) => place.make("Component", name, file(root, scopes(at + n)))),
      );
    const begun = performance.now();
    const serving = await serveInKubernetes(place.kubeconfig);
    await serving.untilComponents((found) => found.length === 500, "500 components");
    const seconds = (performance.now() - begun) / 1000;
    const started = serving.usage();
    const changing = performance.now();
    await place.change("Component", "files-0000", file(folder({})));
    await serving.command.printed(/resources have changed/);
    const change = performance.now() - changing;
    await place.change("Component", "files-0001", { ...file("/other"), ...scopes(1) });
    await place.make("Component", "last", file(root));
    await serving.untilComponents((found) => found.length === 501, "one more");
    const { mebibytes } = serving.usage();
    await record("kubernetes mode: 5,000 components", {
      ...{ components: 5000, ofTheApp: 500, startSeconds: Number(seconds.toFixed(1)) },
      startCpuSeconds: Number(started.seconds.toFixed(1)),
      changeMilliseconds: Math.round(change),
      mebibytes,
    });
    expect(change).toBeLessThan(5000);
    expect(mebibytes).toBeLessThan(500);
  });
});

/** Compacts all that etcd has, so that no watch can begin where it was. */
async function forgetHistory(etcdUrl: string): Promise<void> {
  const ask = async (path: string, body: object): Promise<{ header?: { revision?: string } }> => {
    const answer = await fetch(`${etcdUrl}/v3/kv/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(await answer.text());
    return (await answer.json()) as { header?: { revision?: string } };
  };
  const { header } = await ask("range", { key: Buffer.from("/").toString("base64") });
  await ask("compaction", { revision: header?.revision, physical: true });
}
