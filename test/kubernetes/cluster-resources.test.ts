import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { makeCertificates } from "../bindings/certificates.ts";
import { status } from "../servers/kubernetes-events.ts";
import { until } from "../until.ts";
import { type Clock, withClock } from "../../src/clock.ts";
import { certificates, clusterPlace, file, reading } from "./place.ts";

afterAll(() => certificates.remove());

const soon = 20_000;

test("components of the namespace, in scope, then each change, and a deletion", async () => {
  const { api, kubeconfig } = await clusterPlace();
  api.put("Component", "shop", "one", file("/a"));
  api.put("Component", "shop", "mine", file("/b", { scopes: ["orders", "other"] }));
  api.put("Component", "shop", "others", file("/c", { scopes: ["other"] }));
  api.put("Component", "elsewhere", "far", file("/d"));
  const { applied, untilNames } = await reading(kubeconfig);
  await untilNames("mine", "one");
  const values = async (at: number) =>
    Promise.all(
      (applied.at(at)?.components ?? []).map(async (one) => (await one.resolve()).values),
    );
  expect(await values(-1)).toEqual([{ rootPath: "/b" }, { rootPath: "/a" }]);
  expect(applied[0]?.components[0]?.origin).toEqual({
    ...{ file: "Component shop/mine", line: 0, column: 0 },
  });
  api.put("Component", "shop", "one", file("/changed"));
  await until(async () => (await values(-1))[1]?.["rootPath"] === "/changed", { what: "a change" });
  api.put("Component", "shop", "two", file("/e"));
  await untilNames("mine", "one", "two");
  api.remove("Component", "shop", "mine");
  await untilNames("one", "two");
});

test("what changes nothing reloads nothing: labels, others' components, bookmarks, the end of a watch", async () => {
  const { api, kubeconfig } = await clusterPlace();
  api.put("Component", "shop", "one", file("/a"));
  api.put("Component", "shop", "others", file("/b", { scopes: ["other"] }));
  const { applied, untilNames } = await reading(kubeconfig);
  await until(() => api.watches === 2, { what: "both watches" });
  api.put("Component", "shop", "one", file("/a"));
  api.put("Component", "shop", "others", file("/changed", { scopes: ["other"] }));
  const version = api.bookmark();
  api.endWatches();
  const begun = () => api.requests.filter((one) => one.includes("watch=true"));
  await until(() => begun().length === 4, { what: "the next watches" });
  expect(begun().at(-1)).toContain(`resourceVersion=${version}&`);
  api.put("Component", "shop", "two", file("/c"));
  await untilNames("one", "two");
  expect(applied).toHaveLength(2);
  expect(api.requests.filter((one) => one.includes("limit="))).toHaveLength(2);
});

test("a server that is away at the start is waited for, and nothing is said to be known", async () => {
  const { api, kubeconfig } = await clusterPlace("stopped");
  const { cluster, names, said, untilNames } = await reading(kubeconfig, {}, { until: "nothing" });
  await until(() => said().some((one) => one.includes("ECONNREFUSED")), { what: "a warning" });
  expect(cluster.take().unread).toMatch(/not read from Kubernetes yet: .*ECONNREFUSED/);
  expect(names()).toEqual([]);
  await api.startAgain();
  api.put("Component", "shop", "one", file("/a"));
  await untilNames("one");
  await until(() => said().some((one) => one.includes("can be read from Kubernetes again")), {
    what: "the end of the warning",
  });
  expect(said().join()).not.toContain("canary");
});

test("a server that goes and comes again: what runs goes on, and what has changed meanwhile comes", async () => {
  const { api, kubeconfig } = await clusterPlace();
  api.put("Component", "shop", "one", file("/a"));
  api.put("Component", "shop", "gone", file("/b"));
  const { applied, names, said, untilNames, reloader } = await reading(kubeconfig);
  await untilNames("gone", "one");
  await api.stop();
  await until(() => said().some((one) => one.includes("what was read goes on")), {
    what: "a warning",
  });
  await reloader.reload();
  expect(names()).toEqual(["gone", "one"]);
  expect(applied.at(-1)?.findings.problems.join()).toContain(
    "components.dapr.io error: Kubernetes",
  );
  api.remove("Component", "shop", "gone");
  api.put("Component", "shop", "two", file("/c"));
  // Its history is gone, too.
  api.compact();
  await api.startAgain();
  await untilNames("one", "two");
});

test("after an outage the watch goes on where it was, without a list", async () => {
  const { api, kubeconfig } = await clusterPlace();
  api.put("Component", "shop", "one", file("/a"));
  const { said, untilNames } = await reading(kubeconfig);
  await untilNames("one");
  await api.stop();
  await until(() => said().some((one) => one.includes("what was read goes on")), {
    what: "a warning",
  });
  api.put("Component", "shop", "two", file("/b"));
  await api.startAgain();
  await untilNames("one", "two");
  expect(api.requests.filter((one) => one.includes("limit="))).toHaveLength(2);
});

test("410 Gone within a watch leads to a list", async () => {
  const { api, kubeconfig } = await clusterPlace();
  api.put("Component", "shop", "one", file("/a"));
  const { untilNames, said } = await reading(kubeconfig);
  await until(() => api.watches === 2, { what: "both watches" });
  const late = new Set<string>();
  api.refuse = ({ verb, path }) => {
    if (verb !== "watch" || late.has(path)) return undefined;
    late.add(path);
    return { status: 410, json: status(410, "Expired", "too old") };
  };
  api.endWatches();
  api.remove("Component", "shop", "one");
  api.put("Component", "shop", "two", file("/b"));
  await untilNames("two");
  await until(() => api.watches === 2, { what: "both watches", within: soon });
  expect(said().filter((one) => one.includes("cannot be read"))).toEqual([]);
});

test("a missing right is named with the rule that gives it, and one that is given later counts", async () => {
  const { api, kubeconfig } = await clusterPlace();
  api.put("Component", "shop", "one", file("/a"));
  const text =
    'components.dapr.io is forbidden: User "system:serviceaccount:shop:orders" cannot list';
  let isForbidden = true;
  api.refuse = ({ path }) =>
    isForbidden && path.endsWith("/components")
      ? { status: 403, json: status(403, "Forbidden", text) }
      : undefined;
  const { said, untilNames } = await reading(kubeconfig, {}, { until: "nothing" });
  await until(() => said().length > 0, { what: "a warning" });
  expect(said()[0]).toContain(
    "the right to list components.dapr.io in the namespace shop is missing (Kubernetes, listing",
  );
  expect(said()[0]).toContain("a Role in shop with the rule {apiGroups: [dapr.io]");
  expect(said()[0]).toContain("verbs: [list, watch]");
  isForbidden = false;
  await untilNames("one");
});

test("resources that are not installed are named; without Resiliency the components run", async () => {
  const { api, kubeconfig } = await clusterPlace();
  api.put("Component", "shop", "one", file("/a"));
  api.refuse = ({ path }) =>
    path.endsWith("/resiliencies")
      ? { status: 404, json: status(404, "NotFound", "could not find the requested resource") }
      : undefined;
  const { said, untilNames } = await reading(kubeconfig);
  await untilNames("one");
  expect(said()[0]).toContain("Dapr's custom resource resiliencies.dapr.io is not installed");
});

test("renewed tokens and authorities are taken up", async () => {
  const { api, kubeconfig, path } = await clusterPlace();
  api.put("Component", "shop", "one", file("/a"));
  const { untilNames, said } = await reading(kubeconfig);
  await untilNames("one");
  const others = makeCertificates();
  others.remove();
  await api.stop();
  await api.startAgain(others.server);
  api.tokens.clear();
  api.tokens.add("second-token-canary");
  api.put("Component", "shop", "two", file("/b"));
  await until(() => said().some((one) => one.includes("certificate")), { what: "a distrust" });
  writeFileSync(join(path, "ca.crt"), others.ca);
  await until(() => said().some((one) => one.includes("does not take the token")), {
    ...{ what: "a refused token", within: soon },
  });
  writeFileSync(join(path, "token"), "second-token-canary\n");
  await untilNames("one", "two");
  expect(said().join()).not.toContain("canary");
});

test("an object that is wrong is a finding with its name", async () => {
  const { api, kubeconfig } = await clusterPlace();
  api.put("Component", "shop", "good", file("/a"));
  api.put("Component", "shop", "bad", file("/b"));
  const { said, untilNames, applied, names } = await reading(kubeconfig);
  await untilNames("bad", "good");
  api.put("Component", "shop", "bad", {
    spec: { type: "bindings.localstorage", version: "v1", metadata: "canary" },
  });
  api.put("Component", "shop", "new", {
    spec: {
      type: "bindings.cron",
      version: "v1",
      metadata: [{ name: "shedule", value: "@every 1h" }],
    },
  });
  await untilNames("bad", "good", "new");
  const problems = applied.at(-1)?.findings.problems ?? [];
  expect(problems).toContain(
    'Component shop/bad error: spec.metadata must be a list (each item begins with "- "), not a text',
  );
  expect(problems.join("\n")).toMatch(
    /Component shop\/new \w+: property "shedule" is not known.*; did you mean "schedule"\?/,
  );
  const bad = applied.at(-1)?.components.find(({ name }) => name === "bad");
  await expect(bad?.resolve()).rejects.toThrow(
    /^Component shop\/bad: spec.metadata must be a list/,
  );
  expect(said().join()).not.toContain("canary");
  expect(names()).toHaveLength(3);
});

test("values are texts as Go has them: numbers keep their digits, lists and mappings are JSON", async () => {
  const { api, kubeconfig } = await clusterPlace();
  const of = (value: unknown) => ({ name: `p${typeof value}`, value });
  api.put("Component", "shop", "one", {
    spec: {
      ...{ type: "bindings.localstorage", version: "v1" },
      metadata: [of("yes"), of(1.5), of(true), of({ b: [1], a: null })],
    },
  });
  const { applied, untilNames } = await reading(kubeconfig);
  await untilNames("one");
  expect((await applied.at(-1)?.components[0]?.resolve())?.values).toEqual({
    ...{ pstring: "yes", pnumber: "1.5", pboolean: "true", pobject: '{"a":null,"b":[1]}' },
  });
});

test("secrets are the cluster's where no store is named, and by its name", async () => {
  const { api, kubeconfig } = await clusterPlace();
  api.secret("shop", "paths", { root: "/from-secret" });
  const metadata = [{ name: "rootPath", secretKeyRef: { name: "paths", key: "root" } }];
  const spec = { type: "bindings.localstorage", version: "v1", metadata };
  api.put("Component", "shop", "bare", { spec });
  api.put("Component", "shop", "named", { spec, auth: { secretStore: "kubernetes" } });
  const { applied, untilNames } = await reading(kubeconfig);
  await untilNames("bare", "named");
  for (const one of applied.at(-1)?.components ?? [])
    expect((await one.resolve()).values).toEqual({ rootPath: "/from-secret" });
  expect(api.requests.filter((one) => one.includes("/secrets/"))).toHaveLength(1);
  expect(applied.at(-1)?.findings.problems).toEqual([]);
});

test("without the built-in store a component must name one", async () => {
  const { api, kubeconfig } = await clusterPlace();
  const metadata = [{ name: "rootPath", secretKeyRef: { name: "paths", key: "root" } }];
  const spec = { type: "bindings.localstorage", version: "v1", metadata };
  api.put("Component", "shop", "bare", { spec });
  const { applied, untilNames } = await reading(kubeconfig, { secretStore: undefined });
  await untilNames("bare");
  expect(applied.at(-1)?.findings.problems.join()).toContain("names no secret store");
});

test("the Configuration decides what may run; it is waited for, and stays when it is deleted", async () => {
  const { api, kubeconfig } = await clusterPlace();
  api.put("Component", "shop", "one", file("/a"));
  api.put("Component", "shop", "tick", {
    spec: {
      type: "bindings.cron",
      version: "v1",
      metadata: [{ name: "schedule", value: "@every 1h" }],
    },
  });
  const { applied, names, said, untilNames, reloader } = await reading(kubeconfig, {
    configuration: "settings",
  });
  expect(names()).toEqual([]);
  expect(applied.at(-1)?.findings.unread).toContain('there is no Configuration "settings"');
  api.put("Configuration", "shop", "others", { spec: {} });
  api.put("Configuration", "shop", "settings", {
    spec: { components: { deny: ["bindings.cron"] } },
  });
  await untilNames("one");
  api.remove("Configuration", "shop", "settings");
  await until(() => said().some((one) => one.includes("what it said counts until")), {
    what: "a warning",
  });
  await reloader.reload();
  expect(names()).toEqual(["one"]);
  api.put("Configuration", "shop", "settings", { spec: {} });
  await untilNames("one", "tick");
});

test("with HotReload off nothing is followed, and a reload that is asked for reads again", async () => {
  const { api, kubeconfig } = await clusterPlace();
  api.put("Component", "shop", "one", file("/a"));
  const features = [{ name: "HotReload", enabled: false }];
  api.put("Configuration", "shop", "settings", { spec: { features } });
  const { names, reloader, untilNames } = await reading(kubeconfig, { configuration: "settings" });
  await untilNames("one");
  await until(() => api.watches === 0, { what: "the end of the watches" });
  api.put("Component", "shop", "two", file("/b"));
  await reloader.reload();
  expect(names()).toEqual(["one", "two"]);
});

test("after half an hour all is listed again, so that a change that no watch has told comes too", async () => {
  const { api, kubeconfig } = await clusterPlace();
  api.put("Component", "shop", "one", file("/a"));
  const { time, advance } = movedClock();
  const { untilNames, names } = await withClock(time, () => reading(kubeconfig));
  const lists = () => api.requests.filter((one) => /\/components\?limit=/.test(one)).length;
  await until(() => api.watches === 2, { what: "both watches" });
  api.put("Component", "shop", "lost", file("/b"), { silently: true });
  const watched = () => api.requests.filter((one) => one.includes("watch=true")).length;
  api.endWatches();
  await until(() => watched() === 4 && api.watches === 2, { what: "the next watches" });
  expect([lists(), names()]).toEqual([1, ["one"]]);
  advance(30 * 60_000 + 1);
  api.endWatches();
  await untilNames("lost", "one");
  expect(lists()).toBe(2);
});

test("a watch that stands still on a connection that lives is ended, and the next one tells what it has missed", async () => {
  const { api, kubeconfig } = await clusterPlace();
  api.put("Component", "shop", "one", file("/a"));
  const { time, advance } = movedClock();
  const { untilNames, names, said } = await withClock(time, () => reading(kubeconfig));
  await until(() => api.watches === 2, { what: "both watches" });
  await untilNames("one");
  api.stall();
  api.put("Component", "shop", "two", file("/b"));
  const watched = () => api.requests.filter((one) => one.includes("watch=true")).length;
  // The server's own time is over, and it has not ended them.
  advance(240_000);
  expect([watched(), names()]).toEqual([2, ["one"]]);
  advance(130_000);
  await untilNames("one", "two");
  // Both are made anew, each in its time.
  await until(() => watched() === 4, { what: () => api.requests.join("\n") });
  expect(said().filter((one) => one.includes("cannot be read"))).toEqual([]);
});

/** The process's time, moved on; timers of more than a minute end by `advance` alone. */
function movedClock() {
  let moved = 0;
  const long = new Set<{ readonly at: number; readonly run: () => void }>();
  const elapsed = (): number => performance.now() + moved;
  const time: Clock = {
    now: () => Date.now() + moved,
    elapsed,
    start(run, milliseconds, every) {
      const due = { at: elapsed() + milliseconds, run };
      const real =
        milliseconds > 60_000
          ? undefined
          : (every ? setInterval : setTimeout)(run, milliseconds).unref();
      if (real === undefined) long.add(due);
      const timer = {
        cancel: () => (real === undefined ? void long.delete(due) : clearTimeout(real)),
        unref: () => timer,
      };
      return timer;
    },
  };
  return {
    time,
    advance: (milliseconds: number): void => {
      moved += milliseconds;
      for (const due of long) {
        if (due.at > elapsed()) continue;
        long.delete(due);
        due.run();
      }
    },
  };
}

test("a list comes in pages, and one that expires on the way is begun anew", async () => {
  const { api, kubeconfig } = await clusterPlace();
  const all = Array.from({ length: 600 }, (_, n) => `c${String(n).padStart(4, "0")}`);
  for (const name of all)
    api.put("Component", "shop", name, file(`/${name}`, { scopes: ["none"] }));
  api.put("Component", "shop", "mine", file("/a"));
  let isFirst = true;
  api.refuse = ({ verb, path }) => {
    const isNext =
      verb === "list" && path.endsWith("/components") && api.requests.at(-1)?.includes("continue=");
    if (!isNext || !isFirst) return undefined;
    isFirst = false;
    return {
      status: 410,
      json: status(410, "Expired", "The provided continue parameter is too old"),
    };
  };
  const { untilNames } = await reading(kubeconfig);
  await untilNames("mine");
  const pages = api.requests.filter((one) => /\/components\?limit=/.test(one));
  expect(pages).toHaveLength(5);
});

test("a definition is shown as YAML, with its secrets hidden and its findings at their lines", async () => {
  const { api, kubeconfig } = await clusterPlace();
  const metadata = [
    { name: "redisHost", value: "cache:6379" },
    { name: "redisPassword", value: "canary" },
    { name: "redisHots", value: "other-canary" },
  ];
  api.put("Component", "shop", "cache", {
    spec: { type: "bindings.redis", version: "v1", metadata },
  });
  const { reloader, untilNames } = await reading(kubeconfig);
  await untilNames("cache");
  const { yaml = "", ...rest } = reloader.definition("cache") ?? {};
  expect(yaml).toContain('    - name: redisHost\n      value: "cache:6379"\n');
  expect(yaml).not.toContain("canary");
  const line = yaml.split("\n").findIndex((one) => one.includes("redisHots")) + 1;
  expect(rest).toMatchObject({
    ...{ file: "Component shop/cache", line: 1 },
    findings: [{ severity: "warning", line, message: expect.stringContaining("redisHots") }],
  });
});
