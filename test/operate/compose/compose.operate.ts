// The compose file that is shipped: read by Docker Compose's own library, and its services run with the programs of this
// machine in place of images, by their very commands, environments and files.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { buildGoProgram, goProgram } from "../../servers/go-program.ts";
import { until } from "../../until.ts";
import { record } from "../record.ts";
import { describeWithTools } from "../tools.ts";
import { World } from "./world.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../../..");
const file = join(root, "deploy/compose/compose.yaml");

type Mount = { readonly type: "bind" | "volume"; readonly source: string; readonly target: string };
type Project = {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly command: readonly string[];
        readonly environment?: Readonly<Record<string, string>>;
        readonly ports?: readonly { readonly host_ip?: string }[];
        readonly volumes?: readonly Mount[];
      }
    >
  >;
};

let project: Project;
beforeAll(async () => {
  const place = { below: import.meta.dirname };
  await buildGoProgram("load", place);
  const { stdout } = await run(goProgram("load", place.below), [file]);
  project = JSON.parse(stdout) as Project;
}, 600_000);

test("Docker Compose reads the file; ports are published on the loopback address alone", () => {
  expect(Object.keys(project.services).toSorted()).toEqual([
    "app",
    "broker",
    "cufflink",
    "grafana",
    "prometheus",
  ]);
  const ports = Object.values(project.services).flatMap(({ ports = [] }) => ports);
  expect(ports.length).toBeGreaterThan(3);
  expect(ports.filter(({ host_ip: host }) => host !== "127.0.0.1")).toEqual([]);
});

test("Grafana finds Prometheus and the dashboards where the file puts them", () => {
  const read = (name: string): unknown =>
    parse(readFileSync(join(dirname(file), "grafana", name), "utf8"));
  const { datasources } = read("datasources.yaml") as { datasources: { url: string }[] };
  expect(datasources.map(({ url }) => url)).toEqual(["http://prometheus:9090"]);
  const { providers } = read("dashboards.yaml") as { providers: { options: { path: string } }[] };
  const mounts = project.services["grafana"]?.volumes ?? [];
  const dashboards = mounts.find(({ target }) => target === providers[0]?.options.path);
  expect(dashboards?.source).toBe(join(root, "deploy/grafana"));
});

const programs = ["redis-server", "redis-cli", "prometheus", "unshare", "nsenter", "ip"];
describeWithTools("the services", { programs, root: true }, () => {
  test(
    "work together, started in the order that is worst for them",
    { timeout: 240_000 },
    async () => {
      const names = ["cufflink", "prometheus", "app", "broker"];
      const mounts = names.flatMap((name) => project.services[name]?.volumes ?? []);
      await using world = await World.create(
        Object.keys(project.services),
        Object.fromEntries(
          mounts.map(({ type, source, target }) => [target, type === "bind" ? source : undefined]),
        ),
      );
      const entries: Readonly<Record<string, readonly string[]>> = {
        cufflink: [join(root, "bin/cufflink")],
        prometheus: ["prometheus"],
      };
      const logs = names.map((name) => {
        const { command = [], environment = {} } = project.services[name] ?? {};
        // What the image itself sets.
        const image = name === "cufflink" ? { XDG_STATE_HOME: "/var/lib" } : {};
        return world.start([...(entries[name] ?? []), ...command], { ...image, ...environment });
      });
      const all = (): string => logs.map((log) => log()).join("\n");
      const token = {
        DAPR_API_TOKEN: project.services["cufflink"]?.environment?.["DAPR_API_TOKEN"] ?? "",
      };
      const cufflink = (...args: string[]) =>
        world.run([join(root, "bin/cufflink"), ...args], token);
      await cufflink("health", "--component", "orders", "--wait", "60s").catch((error: unknown) => {
        throw new Error(all(), { cause: error });
      });
      const redis = (...args: string[]) => world.run(["redis-cli", "-h", "broker", ...args]);
      await redis("XADD", "orders", "*", "data", '{"id":1,"quantity":2}');
      await redis("XADD", "orders", "*", "data", '{"id":2,"quantity":0}');
      const letters = async () =>
        JSON.parse(await cufflink("dead-letters", "--json")) as {
          component: string;
          reason: string;
        }[];
      await until(async () => (await letters()).length === 1, {
        what: all,
        within: 60_000,
        every: 500,
      });
      expect(await letters()).toMatchObject([
        {
          component: "orders",
          reason: expect.stringContaining("order 2 has no quantity") as string,
        },
      ]);
      expect(await redis("XRANGE", "receipts", "-", "+")).toContain('{"order":1,"quantity":2}');

      const page =
        'fetch("http://cufflink:3700/").then(async (r) => console.log(r.status, await r.text()))';
      expect(await world.run([process.execPath, "--eval", page])).toMatch(/^200 <!doctype html>/i);

      const asked = async (path: string): Promise<string> => {
        const script = `fetch("http://prometheus:9090/api/v1/${path}").then((r) => r.text()).then(console.log)`;
        return world.run([process.execPath, "--eval", script]);
      };
      const counted = "query?query=cufflink_events_settled_total%7Boutcome%3D%22dead_letter%22%7D";
      await until(async () => (await asked(counted)).includes('"component":"orders"'), {
        what: all,
        within: 60_000,
        every: 500,
      });
      expect(await asked("rules")).toContain("CufflinkDeadLettersGrow");
      const { stdout } = await run("redis-server", ["--version"]);
      const { stdout: prometheus } = await run("prometheus", ["--version"]);
      await record("compose", {
        readBy: "compose-go v2.16.2",
        broker: stdout.trim().split(" sha")[0] ?? "",
        prometheus: prometheus.split("\n", 1)[0] ?? "",
        notRun: "grafana",
      });
    },
  );
});
