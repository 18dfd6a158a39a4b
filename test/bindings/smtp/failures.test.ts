import { describe, expect, test } from "vitest";
import { openSmtp } from "./component.ts";
import { startMailServer, startScripted, usual } from "./mail-server.ts";

const failed = "error from smtp binding, sending email failed";

async function failureOf(port: number, properties = {}, metadata = {}): Promise<unknown> {
  const output = await openSmtp(port, properties);
  return output.invoke("create", metadata, { data: "x" }).catch((thrown: unknown) => thrown);
}

/** A server that answers the given command so, and else as usual. */
function answering(command: string, answer: string | undefined) {
  const otherwise = usual();
  return startScripted((line) => {
    const usually = otherwise(line);
    return line.startsWith(command) && (command !== "" || line === "") ? answer : usually;
  });
}

describe("what the server answers", () => {
  test.each([
    ["", "554 5.3.2 not here", "failed_precondition", "rejected"],
    ["", "421 too busy", "unavailable", "unsent"],
    ["MAIL", "530 5.7.0 log in first", "unauthenticated", "rejected"],
    ["MAIL", "552 5.3.4 too large", "resource_exhausted", "rejected"],
    ["MAIL", "451 4.3.0 later", "unavailable", "unsent"],
    ["DATA", "554 5.5.1 no", "failed_precondition", "rejected"],
    ["DATA", "421 4.3.2 closing", "unavailable", "unsent"],
    [".", "554 5.7.1 it is spam", "failed_precondition", "rejected"],
    [".", "452 4.3.1 no room", "unavailable", "unsent"],
    [".", "421 4.3.2 closing", "unavailable", "unsent"],
  ])("to %j %j: %s, %s", async (command, answer, reason, effect) => {
    const server = await answering(command, answer);
    expect(await failureOf(server.port)).toMatchObject({
      ...{ reason, effect, systemCode: answer.slice(0, 3) },
      message: expect.stringContaining(answer),
    });
    expect(server.connections()).toBe(1);
  });

  test.each([[false], [true]])(
    "recipients that are refused stop the mail; pipelining hidden: %s",
    async (hidePIPELINING) => {
      const server = await startMailServer({ hidePIPELINING, onRcptTo: refuse });
      expect(
        await failureOf(server.port, {
          emailTo: "ann@example.com;no@example.com",
          emailCC: "late@example.com",
        }),
      ).toMatchObject({
        reason: "failed_precondition",
        effect: "rejected",
        systemCode: "550",
        message: `${failed}: nothing was sent, since the server refused no@example.com: 550 no such user; late@example.com: 450 come again`,
      });
      expect(
        await failureOf(server.port, { emailTo: "ann@example.com;late@example.com" }),
      ).toMatchObject({ reason: "unavailable", effect: "unsent", systemCode: "450" });
      expect(
        await failureOf(server.port, { emailTo: "no@example.com", allowPartial: "true" }),
      ).toMatchObject({
        effect: "rejected",
        systemCode: "550",
      });
      expect(server.received).toEqual([]);
      expect(server.connections()).toBe(3);
    },
  );

  test.each([[false], [true]])(
    "allowPartial tells who was refused; pipelining hidden: %s",
    async (hidePIPELINING) => {
      const server = await startMailServer({ hidePIPELINING, onRcptTo: refuse });
      const to = { emailTo: "ann@example.com;no@example.com;late@example.com" };
      const output = await openSmtp(server.port, { ...to, allowPartial: "true" });
      const refusedRecipients =
        "no@example.com: 550 no such user; late@example.com: 450 come again";
      expect(await output.invoke("create", {}, { data: "x" })).toEqual({
        metadata: { refusedRecipients },
      });
      expect(await output.invoke("send", {}, { data: '{"text":"x"}' })).toMatchObject({
        metadata: { refusedRecipients, messageId: expect.any(String) },
      });
      expect(server.received.map(({ to: came }) => came)).toEqual([
        ["ann@example.com"],
        ["ann@example.com"],
      ]);
    },
  );

  test.each([[false], [true]])(
    "a sender who is refused; pipelining hidden: %s",
    async (hidePIPELINING) => {
      const server = await startMailServer({
        hidePIPELINING,
        onMailFrom: (_address, _session, done) =>
          done(Object.assign(new Error("5.7.0 not you"), { responseCode: 530 })),
      });
      expect(await failureOf(server.port, { allowPartial: String(hidePIPELINING) })).toMatchObject({
        ...{ reason: "unauthenticated", effect: "rejected", systemCode: "530" },
        message: `${failed}: 530 5.7.0 not you (the answer to MAIL FROM)`,
      });
      expect(server.received).toEqual([]);
    },
  );

  test("a cut after one of several was refused: the others were not sent the mail", async () => {
    const otherwise = usual();
    const server = await startScripted((line) =>
      line.includes("no@") ? "550 no such user" : line === "DATA" ? "end" : otherwise(line),
    );
    const to = { emailTo: "no@example.com;ann@example.com", allowPartial: "true" };
    expect(await failureOf(server.port, to)).toMatchObject({
      reason: "unavailable",
      effect: "unsent",
    });
  });

  test("a mail that is larger than the server takes", async () => {
    const server = await startMailServer({ size: 2000 });
    const output = await openSmtp(server.port);
    await expect(output.invoke("create", {}, { data: "x".repeat(5000) })).rejects.toMatchObject({
      effect: "rejected",
      reason: "resource_exhausted",
    });
    expect(server.received).toEqual([]);
  });

  test("an answer without end is not gathered", async () => {
    let sent = 0;
    const server = await startScripted((line, socket) => {
      if (line !== "") return undefined;
      const more = (): void => {
        while (!socket.destroyed && sent < 64 * 1024 * 1024) {
          sent += 4096;
          if (!socket.write(Buffer.alloc(4096, "2"))) return void socket.once("drain", more);
        }
      };
      more();
      return undefined;
    });
    expect(await failureOf(server.port)).toMatchObject({ effect: "unsent", reason: "unavailable" });
    expect(sent).toBeLessThan(16 * 1024 * 1024);
  });
});

describe("what breaks", () => {
  test("no connection: nothing was sent", async () => {
    expect(await failureOf(1)).toMatchObject({
      ...{ reason: "unavailable", effect: "unsent", systemCode: "ECONNREFUSED" },
    });
    expect(await failureOf(25, { host: "nowhere.invalid" })).toMatchObject({
      ...{ reason: "unavailable", effect: "unsent" },
    });
  });

  test.each([
    ["", "unsent"],
    ["EHLO", "unsent"],
    ["MAIL", "unsent"],
    ["RCPT", "unsent"],
    ["DATA", "unsent"],
    [".", "ambiguous"],
  ])(
    "a connection that is cut in place of the answer to %j: %s, and no second attempt",
    async (command, effect) => {
      const server = await answering(command, "end");
      expect(await failureOf(server.port)).toMatchObject({ reason: "unavailable", effect });
      expect(server.connections()).toBe(1);
      expect(server.lines.filter((line) => line === ".").length).toBe(command === "." ? 1 : 0);
    },
  );

  test.each([
    ["", "unsent"],
    ["RCPT", "unsent"],
    [".", "ambiguous"],
  ])("silence in place of the answer to %j, until timeout: %s", async (command, effect) => {
    const server = await answering(command, undefined);
    expect(await failureOf(server.port, { timeout: "200ms" })).toMatchObject({
      ...{ reason: "deadline_exceeded", effect },
      message: `${failed}: context deadline exceeded`,
    });
  });

  test("a caller that cancels, and a component that is closed, end the mail", async () => {
    const gone = new AbortController();
    const otherwise = usual();
    const server = await startScripted((line) => {
      const usually = otherwise(line);
      if (line !== ".") return usually;
      gone.abort();
      return undefined;
    });
    const output = await openSmtp(server.port);
    await expect(
      output.invoke("create", {}, { data: "x", signal: gone.signal }),
    ).rejects.toMatchObject({
      ...{ reason: "cancelled", effect: "ambiguous" },
    });
    const closing = Promise.withResolvers<void>();
    const silent = await startScripted((line) => {
      closing.resolve();
      return line === "" ? undefined : "250 ok";
    });
    const other = await openSmtp(silent.port);
    const sending = other.invoke("create", {}, { data: "x" }).catch((thrown: unknown) => thrown);
    await closing.promise;
    await other[Symbol.asyncDispose]();
    expect(await sending).toMatchObject({ reason: "cancelled", effect: "unsent" });
  });

  test("who waits for a connection waits no longer than timeout, and nothing of it is sent", async () => {
    const server = await answering("MAIL", undefined);
    const output = await openSmtp(server.port, { maxConnections: "1", timeout: "300ms" });
    const both = await Promise.allSettled([
      output.invoke("create", {}, { data: "x" }),
      output.invoke("create", {}, { data: "x" }),
    ]);
    for (const one of both)
      expect(one).toMatchObject({ reason: { reason: "deadline_exceeded", effect: "unsent" } });
    expect(server.connections()).toBeLessThanOrEqual(2);
  });
});

function refuse(
  address: { address: string },
  _session: unknown,
  done: (error?: Error) => void,
): void {
  const refusals: Record<string, [number, string]> = {
    "no@example.com": [550, "no such user"],
    "late@example.com": [450, "come again"],
  };
  const [responseCode, text] = refusals[address.address] ?? [];
  done(responseCode === undefined ? undefined : Object.assign(new Error(text), { responseCode }));
}
