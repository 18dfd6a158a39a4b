import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Place } from "../servers/place.ts";
import { findProgram, spawnServer, type ServerProcess } from "../servers/server-process.ts";
import { until } from "../until.ts";

const run = promisify(execFile);

/** A place in the network that can be cut off from others. */
export type NetworkPlace = Place & {
  /** From now on no packet passes between this place and those, in either direction; connections are not told. */
  cutOffFrom(others: readonly Place[]): Promise<void>;
  /** All packets pass again. */
  heal(): Promise<void>;
};

export type Network = AsyncDisposable & {
  /** Makes one more place. */
  place(): Promise<NetworkPlace>;
  /** What listens on 127.0.0.1 of this process is reached on 127.0.0.1 of every place, too. */
  share(port: number): Promise<void>;
};

/** Set in a process that has a network of its own. */
const marker = "CUFFLINK_OWN_NETWORK";
const hub = "10.88.255.254";

/**
 * Runs this very program again in a network namespace of its own, and ends with it; returns where it is in one. `undefined` where
 * the machine allows no namespaces: then it returns, too, and why.
 */
export function enterOwnNetwork(): string | undefined {
  if (process.env[marker] === "1") return undefined;
  const missing = ["unshare", "nsenter", "ip", "iptables"].find((name) => !findProgram(name));
  if (missing !== undefined) return `there is no ${missing}`;
  const flags = process.getuid?.() === 0 ? "-n" : "-rn";
  const trial = spawnSync("unshare", [flags, "ip", "link", "set", "lo", "up"]);
  if (trial.status !== 0) return `unshare ${flags}: ${String(trial.stderr).trim()}`;
  const { status } = spawnSync(
    "unshare",
    [flags, process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    { stdio: "inherit", env: { ...process.env, [marker]: "1" } },
  );
  process.exit(status ?? 1);
}

/** Whether `openNetwork` can be called here. */
function hasOwnNetwork(): boolean {
  return process.env[marker] === "1";
}

/**
 * Places in network namespaces of their own, joined by a bridge in the namespace of this process, which has to be its own
 * too: from 10.88.0.2 on; this process is 10.88.255.254. Packets are dropped by iptables in the place that is cut off.
 */
export async function openNetwork(): Promise<Network> {
  if (!hasOwnNetwork()) throw new Error("this process has no network of its own");
  const folder = await mkdtemp(join(tmpdir(), "cufflink-network-"));
  const holders: ServerProcess[] = [];
  const shared = new Set<number>();
  let count = 0;
  await run("ip", ["link", "set", "lo", "up"]);
  await run("ip", ["link", "add", "hub", "type", "bridge"]);
  await run("ip", ["addr", "add", `${hub}/16`, "dev", "hub"]);
  await run("ip", ["link", "set", "hub", "up"]);
  await writeFile("/proc/sys/net/ipv4/conf/all/route_localnet", "1");
  const toLoopback = ["-p", "tcp", "-j", "DNAT", "--to-destination", "127.0.0.1"];
  await run("iptables", ["-w", "-t", "nat", "-A", "PREROUTING", "-d", hub, ...toLoopback]);

  async function place(): Promise<NetworkPlace> {
    const number = ++count;
    const holder = await spawnServer(
      { program: "unshare", arguments: ["-n", "sleep", "infinity"] },
      folder,
      join(folder, "log"),
    );
    holders.push(holder);
    const host = `10.88.${number >> 7}.${1 + (number & 127)}`;
    const behind = ["nsenter", "-t", String(holder.pid), "-n", "--"];
    const inside = (...command: string[]) => run("nsenter", [...behind.slice(1), ...command]);
    // The namespace is there once it is another than this process's.
    await until(async () => (await namespaceOf(holder.pid)) !== (await namespaceOf(process.pid)), {
      what: "the network namespace",
    });
    const cable = `cable${number}`;
    await run("ip", [
      ...["link", "add", cable, "type", "veth", "peer", "name", "eth0"],
      ...["netns", String(holder.pid)],
    ]);
    await run("ip", ["link", "set", cable, "master", "hub", "up"]);
    await inside("ip", "link", "set", "lo", "up");
    await inside("ip", "addr", "add", `${host}/16`, "dev", "eth0");
    await inside("ip", "link", "set", "eth0", "up");
    await inside("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet");
    await inside(
      ...["iptables", "-w", "-t", "nat", "-A", "POSTROUTING", "-o", "eth0", "-j", "MASQUERADE"],
    );
    for (const port of shared) await shareWith(behind, port);
    return {
      ...{ host, behind },
      async cutOffFrom(others) {
        for (const other of others) {
          await inside("iptables", "-w", "-A", "INPUT", "-s", other.host, "-j", "DROP");
          await inside("iptables", "-w", "-A", "OUTPUT", "-d", other.host, "-j", "DROP");
        }
      },
      async heal() {
        await inside("iptables", "-w", "-F", "INPUT");
        await inside("iptables", "-w", "-F", "OUTPUT");
      },
    };
  }

  return {
    place,
    async share(port) {
      if (shared.has(port)) return;
      shared.add(port);
      await Promise.all(
        holders.map(({ pid }) => shareWith(["nsenter", "-t", String(pid), "-n", "--"], port)),
      );
    },
    async [Symbol.asyncDispose]() {
      for (const holder of holders) holder.signal("SIGKILL");
      await Promise.all(holders.map(({ ended }) => ended));
      await run("ip", ["link", "del", "hub"]);
      await run("iptables", ["-w", "-t", "nat", "-F", "PREROUTING"]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function shareWith(behind: readonly string[], port: number): Promise<void> {
  const [program = "", ...rest] = behind;
  await run(program, [
    ...rest,
    ...["iptables", "-w", "-t", "nat", "-A", "OUTPUT", "-d", "127.0.0.1", "-p", "tcp"],
    ...["--dport", String(port), "-j", "DNAT", "--to-destination", `${hub}:${port}`],
  ]);
}

async function namespaceOf(pid: number): Promise<string> {
  return (await run("readlink", [`/proc/${pid}/ns/net`])).stdout.trim();
}
