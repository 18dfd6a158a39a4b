import type * as Net from "node:net";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { makeCertificates } from "../certificates.ts";
import type { Certificates } from "../certificates.ts";
import { openSmtp } from "./component.ts";
import { startMailServer } from "./mail-server.ts";

/** Where a connection to port 465 leads, on which not everyone may listen. */
let listening = 0;
vi.mock("node:net", async (original) => {
  const net = await original<typeof Net>();
  return {
    ...net,
    connect: (options: { host: string; port: number }) =>
      net.connect({ ...options, port: options.port === 465 ? listening : options.port }),
  };
});

let certificates: Certificates;
beforeAll(() => {
  certificates = makeCertificates();
});
afterAll(() => certificates.remove());

test("port 465 is TLS from the first byte, and the certificate is checked", async () => {
  const { cert, key } = certificates.server;
  const server = await startMailServer({ secure: true, cert, key });
  listening = server.port;
  await (await openSmtp(465, { caCert: certificates.ca })).invoke("create", {}, { data: "x" });
  expect(server.received.map(({ secure }) => secure)).toEqual([true]);
  const doubting = await openSmtp(465);
  await expect(doubting.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
    reason: "unavailable",
    effect: "unsent",
  });
  await (await openSmtp(465, { skipTLSVerify: "true" })).invoke("create", {}, { data: "x" });
  expect(server.received).toHaveLength(2);
});
