import { createHash, createVerify, generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { openSmtp } from "./component.ts";
import { startMailServer } from "./mail-server.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});
const dkim = { dkimDomain: "example.com", dkimSelector: "s1", dkimPrivateKey: privateKey };

test("a mail is signed, as whoever has the domain's key can tell", async () => {
  const server = await startMailServer();
  const output = await openSmtp(server.port, { ...dkim, subject: "Grüße" });
  await output.invoke("create", {}, { data: "<p>Grüße  \n\n.\nend</p>\n\n" });
  const data = JSON.stringify({ text: "a", attachments: [{ data: "A".repeat(40_000) }] });
  await output.invoke("send", {}, { data });
  expect(server.received).toHaveLength(2);
  for (const { raw } of server.received) {
    const tags = verify(raw);
    expect(tags.get("d")).toBe("example.com");
    expect(tags.get("s")).toBe("s1");
    expect(tags.get("h")?.toLowerCase().split(":")).toEqual(
      expect.arrayContaining(["from", "to", "subject", "date", "message-id"]),
    );
    const changed = Buffer.from(raw.toString("latin1").replace("To: ann@", "To: eve@"), "latin1");
    expect(() => verify(changed)).toThrow("signature");
  }
});

test.each([
  [{ dkimSelector: "" }, "go together"],
  [{ dkimPrivateKey: "" }, "go together"],
  [{ dkimDomain: "a;\r\nb=1" }, "must be names"],
  [{ dkimSelector: "a b" }, "must be names"],
  [{ dkimPrivateKey: "-----BEGIN canary-----" }, "dkimPrivateKey is no RSA key in PEM"],
])("%j is refused, and no key is quoted", async (wrong, problem) => {
  const error: unknown = await openSmtp(25, { ...dkim, ...wrong }).catch(
    (thrown: unknown) => thrown,
  );
  expect(String(error)).toContain(problem);
  expect(String(error)).not.toContain("canary");
});

/** Checks the signature by RFC 6376 (relaxed/relaxed, rsa-sha256) and returns its tags. */
function verify(raw: Buffer): Map<string, string> {
  const text = raw.toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  const headers = text.slice(0, end).split(/\r\n(?![ \t])/);
  const relaxed = (header: string): string => {
    const colon = header.indexOf(":");
    const value = header
      .slice(colon + 1)
      .replaceAll("\r\n", "")
      .replaceAll(/[ \t]+/g, " ")
      .trim();
    return `${header.slice(0, colon).toLowerCase().trim()}:${value}`;
  };
  const signature = headers.find((header) => /^dkim-signature:/i.test(header)) ?? "";
  const tags = new Map(
    relaxed(signature)
      .slice("dkim-signature:".length)
      .split(";")
      .map((tag) => [
        tag.slice(0, tag.indexOf("=")).trim(),
        tag.slice(tag.indexOf("=") + 1).replaceAll(" ", ""),
      ]),
  );
  expect([tags.get("a"), tags.get("c")]).toEqual(["rsa-sha256", "relaxed/relaxed"]);
  const body = text
    .slice(end + 4)
    .split("\r\n")
    .map((line) => line.replaceAll(/[ \t]+/g, " ").replace(/ $/, ""))
    .join("\r\n")
    .replace(/(\r\n)*$/, "\r\n");
  const hash = createHash("sha256").update(body, "latin1").digest("base64");
  if (hash !== tags.get("bh")) throw new Error("the body's hash is another");
  const signed = (tags.get("h") ?? "").split(":").map((name) => {
    const found = headers.findLast((header) =>
      header.toLowerCase().startsWith(`${name.toLowerCase()}:`),
    );
    return found === undefined ? "" : `${relaxed(found)}\r\n`;
  });
  const own = relaxed(signature).replace(/(;\s*b=)[^;]*/, "$1");
  const check = createVerify("sha256").update(signed.join("") + own, "latin1");
  if (!check.verify(publicKey, tags.get("b") ?? "", "base64"))
    throw new Error("the signature is another's");
  return tags;
}
