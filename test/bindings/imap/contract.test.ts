import { describeWith } from "../../servers/describe-with.ts";
import { testRestart, testSource } from "../contract.ts";
import { imapSource } from "./contract-source.ts";

describeWith("dovecot", (server) => testSource("imap", imapSource(server)));
describeWith("dovecot", { own: true }, (server) => testRestart("imap", imapSource(server), server));
