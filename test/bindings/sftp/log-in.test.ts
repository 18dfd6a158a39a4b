// How the server is known, and how the user is: against OpenSSH, and for passwords against a stand-in.
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import sftp from "../../../src/bindings/sftp/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { openOutput } from "../opened-output.ts";
import { startStandIn } from "./stand-in.ts";

describeWith("openssh", { own: true }, (server) => {
  const address = `${server.host}:${server.port}`;
  const { hostPublicKey, ...login } = server.login;
  const hostName = `[${server.host}]:${server.port}`;
  const anotherKey =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEpqXQ0HXwq5pU7JJ3B2sW3g2Dnlmc4mb3JrUqKrm0r1";

  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "cufflink-sftp-"));
    return () => rm(folder, { recursive: true });
  });

  const open = (properties: Record<string, string>) =>
    openOutput(sftp, { address, ...login, ...properties });

  async function knownHosts(...lines: string[]): Promise<Record<string, string>> {
    const file = join(folder, `known-${Math.random()}`);
    await writeFile(file, lines.map((line) => `${line}\n`).join(""));
    return { knownHostsFile: file };
  }

  test("by its key, with options and a comment", async () => {
    await expect(open({ hostPublicKey })).resolves.toBeTruthy();
    await open({ hostPublicKey: `# mine\n\nfrom="*" ${hostPublicKey} a comment\n` });
  });

  test("another key is refused, and the keys are named", async () => {
    await expect(open({ hostPublicKey: anotherKey })).rejects.toMatchObject({
      ...{ reason: "failed_precondition", effect: "unsent" },
      message: expect.stringMatching(
        /the server's key is not the expected one: it is ssh-ed25519 SHA256:\S+, and hostPublicKey is ssh-ed25519 SHA256:/,
      ) as unknown,
    });
    const rsa = execFileSync("ssh-keygen", ["-y", "-f", await keyFile("rsa", "pkcs1")]).toString();
    await expect(open({ hostPublicKey: rsa })).rejects.toMatchObject({
      message: expect.stringContaining("the server has no key of the expected kind") as unknown,
    });
  });

  test("without any way to know it nothing is begun", async () => {
    await expect(open({})).rejects.toMatchObject({
      reason: "invalid_argument",
      message: expect.stringContaining("no host validation method provided") as unknown,
    });
    await expect(open({ hostPublicKey: "ssh-ed25519 x" })).rejects.toMatchObject({
      reason: "invalid_argument",
    });
    await expect(open({ knownHostsFile: join(folder, "missing") })).rejects.toMatchObject({
      reason: "invalid_argument",
    });
  });

  test("by a file of known hosts", async () => {
    await open(await knownHosts(`other ${anotherKey}`, `${hostName} ${hostPublicKey}`));
    await open(await knownHosts(`[127.0.0.*]:* ${hostPublicKey}`));
    await open(await knownHosts(`${hostName} ${anotherKey}`, `${hostName} ${hostPublicKey}`));
    const hashed = join(folder, "hashed");
    await writeFile(hashed, `${hostName} ${hostPublicKey}\n`);
    execFileSync("ssh-keygen", ["-q", "-H", "-f", hashed], { stdio: "ignore" });
    expect(await readFile(hashed, "utf8")).toMatch(/^\|1\|/);
    await open({ knownHostsFile: hashed });
  });

  test("a file that does not know it, negates it or revokes it", async () => {
    const cases: [string[], RegExp][] = [
      [[`other ${hostPublicKey}`], /has no key of \[127\.0\.0\.1\]/],
      [[`127.0.0.1 ${hostPublicKey}`], /has no key of/],
      [[`*,!${hostName} ${hostPublicKey}`], /has no key of/],
      [[`@cert-authority ${hostName} ${hostPublicKey}`], /has no key of/],
      [[`${hostName} ${anotherKey}`], /has for \[127\.0\.0\.1\]:\d+ ssh-ed25519 SHA256/],
      [[`${hostName} ${hostPublicKey}`, `@revoked * ${hostPublicKey}`], /revokes/],
    ];
    for (const [lines, message] of cases) {
      // The file goes before the key.
      const properties = { ...(await knownHosts(...lines)), hostPublicKey };
      await expect(open(properties), lines.join("; ")).rejects.toThrow(message);
    }
  });

  const keyPairs = {
    rsa: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
    ec: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
    ed25519: () => generateKeyPairSync("ed25519"),
  } as const;

  async function keyFile(
    kind: keyof typeof keyPairs,
    type: "pkcs1" | "pkcs8" | "sec1",
    passphrase?: string,
  ): Promise<string> {
    const cipher = passphrase === undefined ? {} : { cipher: "aes-256-cbc", passphrase };
    const text = keyPairs[kind]().privateKey.export({ type, format: "pem", ...cipher } as never);
    const file = join(folder, `key-${Math.random()}`);
    await writeFile(file, text, { mode: 0o600 });
    return file;
  }

  test("by a private key in each form", { timeout: 30_000 }, async () => {
    const publicKeys: string[] = [];
    const keys: Record<string, string>[] = [];
    const add = async (file: string, publicKey: string, passphrase?: string): Promise<void> => {
      publicKeys.push(publicKey.trim());
      const privateKeyPassphrase =
        passphrase === undefined ? {} : { privateKeyPassphrase: passphrase };
      keys.push({ privateKey: await readFile(file, "utf8"), ...privateKeyPassphrase });
    };
    const generate = async (...options: string[]): Promise<void> => {
      const file = join(folder, `made-${Math.random()}`);
      const passphrase = options[options.indexOf("-N") + 1] || undefined;
      execFileSync("ssh-keygen", ["-q", "-a", "1", "-f", file, ...options]);
      await add(file, await readFile(`${file}.pub`, "utf8"), passphrase);
    };
    await generate("-t", "ed25519", "-N", "");
    await generate("-t", "ed25519", "-N", "open sesame");
    await generate("-t", "rsa", "-b", "2048", "-N", "", "-m", "PEM");
    await generate("-t", "ecdsa", "-N", "open sesame", "-m", "PEM");
    await generate("-t", "rsa", "-b", "2048", "-N", "open sesame", "-m", "PKCS8");
    await generate("-t", "ecdsa", "-N", "", "-m", "PKCS8");
    const seed = generateKeyPairSync("ed25519");
    const { x = "" } = seed.publicKey.export({ format: "jwk" });
    const header = Buffer.from("0000000b7373682d6564323535313900000020", "hex");
    const blob = Buffer.concat([header, Buffer.from(x, "base64url")]).toString("base64");
    const file = join(folder, "ed25519-pkcs8");
    await writeFile(file, seed.privateKey.export({ type: "pkcs8", format: "pem" }));
    await add(file, `ssh-ed25519 ${blob}`);
    await server.authorize(publicKeys);
    onTestFinished(() => server.authorize([server.userKey]));
    for (const key of keys) {
      const properties = { address, ...login, hostPublicKey, ...key };
      await expect(openOutput(sftp, properties)).resolves.toBeTruthy();
    }
  });

  test("a key that cannot be read says why, and quotes nothing", async () => {
    const locked = await readFile(await keyFile("ec", "pkcs8", "open sesame"), "utf8");
    const lockedOpenSsh = join(folder, "locked");
    execFileSync("ssh-keygen", [
      "-q",
      "-a",
      "1",
      "-t",
      "ed25519",
      "-N",
      "sesame",
      "-f",
      lockedOpenSsh,
    ]);
    const openSsh = await readFile(lockedOpenSsh, "utf8");
    const cases: [string, string | undefined, string][] = [
      [locked, undefined, "privateKey is encrypted; give its privateKeyPassphrase"],
      [locked, "wrong", "privateKeyPassphrase does not open privateKey"],
      [openSsh, undefined, "privateKey is encrypted; give its privateKeyPassphrase"],
      [openSsh, "wrong", "privateKeyPassphrase does not open privateKey"],
      ["hunter2", undefined, "privateKey is no private key in a known form"],
      [hostPublicKey, undefined, "privateKey is no private key"],
    ];
    for (const [privateKey, privateKeyPassphrase, why] of cases) {
      const passphrase = privateKeyPassphrase === undefined ? {} : { privateKeyPassphrase };
      const properties = { ...{ hostPublicKey, privateKey }, ...passphrase };
      await expect(open(properties), why).rejects.toMatchObject({
        reason: "invalid_argument",
        message: expect.stringMatching(new RegExp(`: ${why}$`)) as unknown,
      });
    }
  });

  test("a user who is refused", async () => {
    await server.authorize([]);
    onTestFinished(() => server.authorize([server.userKey]));
    await expect(open({ hostPublicKey })).rejects.toMatchObject({
      ...{ reason: "unauthenticated", effect: "unsent" },
      message: expect.stringMatching(/the server refused the log-in$/) as unknown,
    });
  });

  test("an address that is none", async () => {
    for (const wrong of ["a b:22", "host:0", "host:99999", "host:ssh", "a/b:22", "[::1"]) {
      await expect(open({ hostPublicKey, address: wrong })).rejects.toMatchObject({
        reason: "invalid_argument",
      });
    }
  });
});

test("by the key first, then by the password, each only where the server takes it", async () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const server = await startStandIn({
    logIn: (method, secret) => method === "password" && secret === "secret",
  });
  const key = privateKey.export({ type: "pkcs1", format: "pem" });
  await openOutput(sftp, { ...server.properties, privateKey: key });
  expect(new Set(server.methods)).toEqual(new Set(["publickey", "password"]));
  expect(server.methods.at(-1)).toBe("password");
});

test("a server that asks for the password is answered", async () => {
  const server = await startStandIn({
    logIn: (method, secret) => method === "keyboard-interactive" && secret === "secret",
  });
  await openOutput(sftp, server.properties);
  await expect(openOutput(sftp, { ...server.properties, password: "wrong" })).rejects.toMatchObject(
    { reason: "unauthenticated", effect: "unsent" },
  );
});
