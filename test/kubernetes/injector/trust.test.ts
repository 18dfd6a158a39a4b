import { X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import { mergedBundle } from "../../../src/kubernetes/injector/bundle.ts";
import {
  makeCertificate,
  type ServerCertificate,
} from "../../../src/kubernetes/injector/certificate.ts";
import { Trust } from "../../../src/kubernetes/injector/trust.ts";
import { KnownConfiguration } from "./known-configuration.ts";

const hour = 3_600_000;
const hosts = ["cufflink-injector.cufflink.svc", "127.0.0.1"];

test("a certificate is for its names, for a server, and vouches for itself", async () => {
  const now = Date.now();
  const { certificate, notAfter } = await makeCertificate({ hosts, now, validity: hour });
  const read = new X509Certificate(certificate);
  expect(read.checkHost("cufflink-injector.cufflink.svc")).toBeDefined();
  expect(read.checkHost("cufflink-injector.other.svc")).toBeUndefined();
  expect(read.checkIP("127.0.0.1")).toBe("127.0.0.1");
  expect(read.verify(read.publicKey)).toBe(true);
  expect(read.ca).toBe(false);
  expect(read.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
  expect(Date.parse(read.validFrom)).toBeLessThan(now - 500_000);
  expect(Math.abs(Date.parse(read.validTo) - notAfter)).toBeLessThan(1001);
});

describe("the bundle", () => {
  const make = (now: number): Promise<ServerCertificate> =>
    makeCertificate({ hosts, now, validity: hour });

  test("keeps those of others, and loses what has expired or is no certificate", async () => {
    const [own, other, old] = await Promise.all([make(0), make(0), make(-2 * hour)]);
    const bundle = `${old.certificate}${other.certificate}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`;
    const merged = mergedBundle(bundle, [own.certificate], [], 0);
    expect(merged).toBe(other.certificate + own.certificate);
    expect(mergedBundle(merged, [own.certificate], [], 0)).toBe(merged);
    expect(mergedBundle(merged, [], [own.certificate], 0)).toBe(other.certificate);
  });

  test("does not grow without end", async () => {
    const many = await Promise.all(Array.from({ length: 20 }, (_, index) => make(index)));
    const own = await make(0);
    const bundle = many.map(({ certificate }) => certificate).join("");
    const merged = mergedBundle(bundle, [own.certificate], [], 0);
    expect(merged.split("-----BEGIN").length - 1).toBe(16);
    expect(merged.endsWith(own.certificate)).toBe(true);
  });
});

describe("an injector's certificate", () => {
  async function start(configuration = new KnownConfiguration()) {
    const clock = { now: Date.now() };
    const shown: string[] = [];
    const problems: string[] = [];
    const trust = new Trust({
      ...{ configuration, hosts, validity: hour },
      now: () => clock.now,
      show: ({ certificate }) => shown.push(certificate),
      onProblem: (message) => problems.push(message),
      onTrusted: () => problems.push("trusted"),
    });
    await trust.start();
    return { configuration, clock, shown, problems, trust };
  }

  test("is renewed: the new one is known before it is shown", async () => {
    const { configuration, clock, shown, trust } = await start();
    await trust.look();
    expect(trust.isTrusted).toBe(true);
    expect(configuration.bundle).toBe(shown[0]);
    clock.now += hour / 2 + 1;
    await trust.look();
    expect(shown).toHaveLength(1);
    expect(configuration.bundle.split("-----BEGIN")).toHaveLength(3);
    await trust.look();
    expect(shown).toHaveLength(2);
    expect(configuration.bundle).toBe(shown[1]);
  });

  test("is not shown while the API server does not know it", async () => {
    const { configuration, clock, shown, problems, trust } = await start();
    await trust.look();
    clock.now += hour / 2 + 1;
    configuration.trouble = "no answer";
    await trust.look();
    await trust.look();
    expect(shown).toHaveLength(1);
    expect(problems).toEqual(["trusted", "no answer"]);
    configuration.trouble = undefined;
    await trust.look();
    await trust.look();
    expect(shown).toHaveLength(2);
    expect(problems).toEqual(["trusted", "no answer", "trusted"]);
  });

  test("is put in again when somebody has taken it out, and beside what others write meanwhile", async () => {
    const { configuration, shown, trust } = await start();
    await trust.look();
    configuration.bundle = "";
    configuration.conflicts = 3;
    await trust.look();
    expect(configuration.bundle).toBe(shown[0]);
  });

  test("is beside those of other replicas, and goes with its own", async () => {
    const configuration = new KnownConfiguration();
    const [one, other] = [await start(configuration), await start(configuration)];
    await Promise.all([one.trust.look(), other.trust.look()]);
    expect(configuration.bundle).toContain(one.shown[0]);
    expect(configuration.bundle).toContain(other.shown[0]);
    await one.trust.close();
    expect(configuration.bundle).toBe(other.shown[0]);
  });
});
