// h2spec against the daemon's gRPC port: every case, its strict ones too, in cleartext and over TLS.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endWithUs, handleSignals } from "../../bench/children.ts";
import { makeCertificates } from "../bindings/certificates.ts";
import { installedGoProgram, installGoProgram } from "../servers/go-install.ts";
import { releasePort, reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";

const program = {
  name: "h2spec",
  folder: "h2spec",
  module: "github.com/summerwind/h2spec/cmd/h2spec",
  version: "v2.2.1+incompatible",
};
/**
 * What GET answers has a body, without which h2spec skips what it cannot see of windows; and POST is answered once its body is
 * whole: before, its stream is open for what may not come.
 */
const path = "/v1.0/bindings/none";
const root = join(import.meta.dirname, "../..");
const knownFailing = join(import.meta.dirname, "h2spec-known-failing.txt");
/** In bytes: five are more than a frame may have as SETTINGS say, packed as they come, and one is less than a list of headers. */
const headerLength = 15_500;
const startWithin = 60_000;

type Case = { readonly name: string; readonly verdict: "passed" | "failed" | "skipped" };

/** Runs it over both; true if nothing failed and nothing was skipped but what is known to. */
export async function h2specPasses(further: readonly string[]): Promise<boolean> {
  await installGoProgram(program);
  handleSignals();
  const folder = await mkdtemp(join(tmpdir(), "cufflink-h2spec-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const certificates = makeCertificates();
  try {
    const { certPath, keyPath } = certificates.server;
    const tls = ["--tls-cert", certPath, "--tls-key", keyPath];
    const isPlainRight = await passes("cleartext", join(folder, "plain"), [], further);
    const overTls = ["--tls", "--insecure", ...further];
    return (await passes("TLS", join(folder, "tls"), tls, overTls)) && isPlainRight;
  } finally {
    certificates.remove();
  }
}

async function passes(
  title: string,
  folder: string,
  flags: readonly string[],
  further: readonly string[],
): Promise<boolean> {
  const report = join(folder, "report.xml");
  mkdirSync(folder, { recursive: true });
  const daemon = await startDaemon(folder, flags);
  console.log(`h2spec over ${title}:`);
  try {
    spawnSync(
      installedGoProgram(program),
      [
        ...["--host", "127.0.0.1", "--port", String(daemon.port), "--path", path],
        ...["--strict", "--max-header-length", String(headerLength)],
        ...["--junit-report", report, ...further],
      ],
      { stdio: "inherit" },
    );
  } finally {
    await daemon.end();
  }
  const cases = casesOf(readFileSync(report, "latin1"));
  const known = new Set(
    readFileSync(knownFailing, "utf8")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#")),
  );
  const wrong = cases.filter(({ name, verdict }) => (verdict === "passed") === known.has(name));
  for (const { name, verdict } of wrong) {
    const said = verdict === "passed" ? "passed, though it is known to fail" : verdict;
    console.error(`${title}: ${name}: ${said}`);
  }
  return cases.length > 0 && wrong.length === 0;
}

/** What a report says of each case; it names them in `package` and, oddly, `classname`. */
function casesOf(report: string): Case[] {
  const cases = report.matchAll(
    /<testcase package="([^"]*)" classname="([^"]*)"[^>]*>\s*(<(?:failure|error|skipped))?/g,
  );
  return [...cases].map(([, section, title, mark]) => ({
    name: `${section}: ${title}`,
    verdict: mark === undefined ? "passed" : mark === "<skipped" ? "skipped" : "failed",
  }));
}

type Daemon = { readonly port: number; end(): Promise<void> };

async function startDaemon(folder: string, flags: readonly string[]): Promise<Daemon> {
  const [http, port, metrics] = [await reservePort(), await reservePort(), await reservePort()];
  const resources = join(folder, "resources");
  mkdirSync(resources);
  const child = endWithUs(
    spawn(
      join(root, "bin/cufflink"),
      [
        ...["--app-id", "h2spec", "--resources-path", resources, "--log-level", "warn"],
        ...["--dapr-http-port", String(http), "--dapr-grpc-port", String(port)],
        ...["--metrics-port", String(metrics), "--dapr-listen-addresses", "127.0.0.1", ...flags],
      ],
      {
        cwd: folder,
        env: { ...process.env, XDG_STATE_HOME: join(folder, "state") },
        stdio: ["ignore", "inherit", "inherit"],
      },
    ),
  );
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const serves = async (): Promise<boolean> => {
    if (child.exitCode !== null) throw new Error(`the daemon ended with ${child.exitCode}`);
    return isOpen(port);
  };
  await until(serves, { what: "the daemon to serve", within: startWithin });
  return {
    port,
    async end() {
      child.kill("SIGTERM");
      await gone;
      for (const one of [http, port, metrics]) await releasePort(one);
    },
  };
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
