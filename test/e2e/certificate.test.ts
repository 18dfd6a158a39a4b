import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, symlinkSync } from "node:fs";
import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { once } from "node:events";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { Command } from "../cli/command.ts";
import { startServing } from "../cli/serving.ts";
import { folder } from "../resources/folder.ts";
import { until } from "../until.ts";

type Pair = { readonly cert: string; readonly key: string };

/** A certificate of its own authority, with the name by which it is known again. */
function makePair(name: string): Pair {
  const path = folder({});
  const [key, cert] = [join(path, "key"), join(path, "cert")];
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-days", "2", "-subj", `/CN=${name}`, "-keyout", key, "-out", cert],
    ],
    { stdio: "ignore" },
  );
  return { cert, key };
}

/** The same, valid until a day ago. */
function makeExpired(): Pair {
  const pair = makePair("expired");
  execFileSync(
    "openssl",
    ["x509", "-in", pair.cert, "-signkey", pair.key, "-days", "-1", "-out", pair.cert],
    { stdio: "ignore" },
  );
  return pair;
}

/** The name in the certificate that a new connection gets. */
async function nameAt(port: number): Promise<string | undefined> {
  const socket: TLSSocket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return [subject.CN].flat()[0];
}

async function isServed(session: ClientHttp2Session): Promise<boolean> {
  const stream = session.request({ ":path": "/v1.0/healthz" });
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
  stream.resume();
  return headers[":status"] === 204;
}

test("a rotated certificate is for new connections; one that cannot be used leaves the old", async () => {
  // As cert-manager and Kubernetes mount it: versions in folders, and one link that says which.
  const mount = folder({});
  const put = (version: string, { cert, key }: Pair): void => {
    const path = join(mount, version);
    mkdirSync(path);
    execFileSync("cp", [cert, join(path, "tls.crt")]);
    execFileSync("cp", [key, join(path, "tls.key")]);
    symlinkSync(version, join(mount, "..next"));
    renameSync(join(mount, "..next"), join(mount, "..data"));
  };
  const [first, second, third] = [makePair("first"), makePair("second"), makePair("third")];
  put("..v1", first);
  for (const name of ["tls.crt", "tls.key"]) symlinkSync(`..data/${name}`, join(mount, name));
  const flags = ["--tls-cert", join(mount, "tls.crt"), "--tls-key", join(mount, "tls.key")];
  const { command, http, grpc } = await startServing({}, flags);
  expect([await nameAt(http), await nameAt(grpc)]).toEqual(["first", "first"]);
  const session = connectHttp2(`https://127.0.0.1:${http}`, { rejectUnauthorized: false });
  onTestFinished(() => session.destroy());
  expect(await isServed(session)).toBe(true);

  put("..v2", second);
  await command.printed(/a new certificate is in use for new connections/);
  expect([await nameAt(http), await nameAt(grpc)]).toEqual(["second", "second"]);
  expect(await isServed(session)).toBe(true);

  put("..v3", { cert: third.cert, key: first.key });
  await command.printed(/the old one stays in use.*--tls-key .* is not the key of the first/);
  expect(await nameAt(http)).toBe("second");

  put("..v4", makeExpired());
  await command.printed(/the old one stays in use.*--tls-cert .* expired at 20/);
  expect(await nameAt(http)).toBe("second");

  // The same bad files again at SIGHUP, which needs no change.
  const told = () => command.stdout.match(/the old one stays in use/g)?.length ?? 0;
  const before = told();
  command.signal("SIGHUP");
  await until(() => told() > before, { what: "the files to be read at SIGHUP" });

  put("..v5", third);
  await until(async () => (await nameAt(http)) === "third", { what: "the third certificate" });
  command.signal("SIGTERM");
  expect(await command.exited).toBe(0);
});

test("files written in place, first the one and then the other", async () => {
  const [first, second] = [makePair("first"), makePair("second")];
  const { command, http } = await startServing({}, [
    "--tls-cert",
    first.cert,
    "--tls-key",
    first.key,
  ]);
  execFileSync("cp", [second.cert, first.cert]);
  execFileSync("cp", [second.key, first.key]);
  await command.printed(/a new certificate is in use/);
  await until(async () => (await nameAt(http)) === "second", { what: "the second certificate" });
  command.signal("SIGTERM");
  expect(await command.exited).toBe(0);
});

test("what cannot be used at the start ends it with one line", async () => {
  const { cert, key } = makePair("first");
  const swapped = new Command(["serve", "--tls-cert", key, "--tls-key", cert]);
  expect(await swapped.exited).toBe(69);
  expect(swapped.stderr).toBe(
    `cufflink: --tls-cert ${key} holds a private key and no certificate; --tls-cert and --tls-key look swapped\n`,
  );
  const expired = makeExpired();
  const served = await startServing({}, ["--tls-cert", expired.cert, "--tls-key", expired.key]);
  await served.command.printed(/WARN .*--tls-cert .* expired at/);
});
