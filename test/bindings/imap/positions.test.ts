// The cells of the table in docs/positions.md.
import { expect, test, vi } from "vitest";
import type { Outcome } from "../../../src/runtime/app.ts";
import { handled } from "../../runtime/fake-app.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { aUser, begin, mailbox, mailOf } from "./mails.ts";

const soon = { timeout: 15_000, interval: 5 };
const mail = (text: string) => mailOf(Buffer.from(text));

describeWith("dovecot", (server) => {
  test("imap: Without a position", async () => {
    const user = aUser();
    const { client } = await mailbox(server, user);
    for (const text of ["1", "2", "3"]) await client.append("INBOX", mail(text));
    const { app } = await begin(server, user);
    await vi.waitFor(() => expect(app.deliveries).toHaveLength(3), soon);
    expect(app.deliveries.map(({ metadata }) => metadata["uid"])).toEqual(["1", "2", "3"]);
  });

  test("imap: After a gap", async () => {
    const user = aUser();
    const { client } = await mailbox(server, user);
    for (const text of ["1", "2", "3"]) await client.append("INBOX", mail(text));
    await client.mailboxOpen("INBOX");
    await client.messageFlagsAdd("1", ["\\Seen"], { uid: true });
    await client.messageDelete("2", { uid: true });
    const { app, status } = await begin(server, user);
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    expect(app.deliveries.map(({ metadata }) => metadata["uid"])).toEqual(["3"]);
  });

  test("imap: Grows", async () => {
    const user = aUser();
    const { client } = await mailbox(server, user);
    const { status } = await begin(server, user, { pollInterval: "1h" });
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    await client.append("INBOX", mail("1"));
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
  });

  test("imap: Shrinks", async () => {
    const user = aUser();
    const { client } = await mailbox(server, user);
    await client.append("INBOX", mail("1"));
    const answer = Promise.withResolvers<Outcome>();
    const { app, status } = await begin(server, user, {}, () => answer.promise);
    await vi.waitFor(() => expect(app.deliveries).toHaveLength(1), soon);
    await client.mailboxOpen("INBOX");
    await client.messageDelete("1", { uid: true });
    answer.resolve(handled);
    await vi.waitFor(() => expect(status()).toMatchObject({ handled: 1, inFlight: 0 }), soon);
    await client.append("INBOX", mail("2"));
    await vi.waitFor(() => expect(status().handled).toBe(2), soon);
    expect(status().state).toBe("running");
  });

  test("imap: Made anew", async () => {
    const user = aUser();
    const { client } = await mailbox(server, user);
    await client.mailboxCreate("Orders");
    await client.append("Orders", mail("1"));
    const { app, status } = await begin(server, user, { mailbox: "Orders", pollInterval: "50ms" });
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    await client.mailboxCreate("New");
    await client.append("New", mail("2"));
    await client.mailboxRename("Orders", "Old");
    await client.mailboxRename("New", "Orders");
    await vi.waitFor(() => expect(status().handled).toBe(2), soon);
    const [first, second] = app.deliveries.map(({ metadata }) => metadata);
    expect([first?.["uid"], second?.["uid"]]).toEqual(["1", "1"]);
    expect(first?.["uidValidity"]).not.toBe(second?.["uidValidity"]);
  });
});
