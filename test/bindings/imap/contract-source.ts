import { expect } from "vitest";
import type { Source } from "../contract.ts";
import { endAfterTest } from "../contract.ts";
import {
  aUser,
  connectMail,
  imapOfAttachments,
  mailOf,
  propertiesOf,
  type Address,
} from "./mails.ts";

/** A mailbox, whose events are what is attached to its mails. */
export function imapSource(server: Address): Source {
  return {
    binding: imapOfAttachments,
    largest: 2 ** 20,
    async place() {
      const user = aUser();
      let client = await connectMail(server, user);
      endAfterTest(() => client.close());
      const append = async (mail: Buffer): Promise<void> => {
        try {
          await client.append("INBOX", mail);
        } catch {
          // The server has restarted since.
          client = await connectMail(server, user);
          await client.append("INBOX", mail);
        }
      };
      return {
        properties: propertiesOf(server, user),
        send: (data) => append(mailOf(data)),
        async sendMarked() {
          const more = [
            "X-Folded: one",
            "  two",
            "X-Repeat: 1",
            "x-repeat: 2",
            "Message-ID: <1@a>",
          ];
          await append(mailOf(Buffer.from("x"), more));
          return ({ metadata, headers }) => {
            expect(metadata).toMatchObject({
              ...{ mailbox: "INBOX", uid: "1", subject: "order", messageId: "<1@a>" },
            });
            const of = (name: string) =>
              headers
                .filter((one) => one.name.toLowerCase() === name)
                .map(({ value }) => Buffer.from(value).toString());
            expect(of("x-folded")).toEqual(["one  two"]);
            expect(of("x-repeat")).toEqual(["1", "2"]);
          };
        },
      };
    },
  };
}
