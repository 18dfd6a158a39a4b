import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { expect, vi } from "vitest";
import graphql from "../../../src/bindings/graphql/index.ts";
import http from "../../../src/bindings/http/index.ts";
import influx from "../../../src/bindings/influx/index.ts";
import localstorage from "../../../src/bindings/localstorage/index.ts";
import smtp from "../../../src/bindings/smtp/index.ts";
import twilio from "../../../src/bindings/twilio.sms.ts";
import websocket from "../../../src/bindings/websocket/index.ts";
import { endAfterTest } from "../contract.ts";
import { startDroids } from "../graphql/droids.ts";
import { startLoopback } from "../http/loopback-server.ts";
import { account, startInflux } from "../influx/influx-stand-in.ts";
import { parseMail, startMailServer } from "../smtp/mail-server.ts";
import { RawServer } from "../websocket/raw-server.ts";
import { testHostileValues } from "./suite.ts";

/** A header's value as the caller meant it: senders may write bytes outside of ASCII as Latin 1. */
const asSent = (text: string): string => Buffer.from(text, "latin1").toString();

/** The text of a mail's header whose words may be encoded, by RFC 2047. */
function decodedWords(text: string): string {
  return text
    .replaceAll(/\?=\s+=\?/g, "?==?")
    .replaceAll(/=\?UTF-8\?([QB])\?([^?]*)\?=/gi, (_, how: string, word: string) =>
      how.toUpperCase() === "B"
        ? Buffer.from(word, "base64").toString()
        : decodeURIComponent(word.replaceAll("_", " ").replaceAll("%", "%25").replaceAll("=", "%")),
    );
}

testHostileValues(http, ["a header", "the path"], async () => {
  const server = await startLoopback();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    properties: { url: `${server.url}/base/`, errorIfNot2XX: "true" },
    places: {
      "a header": {
        send: (output, value) => output.invoke("post", { "X-Mark": value }),
        arrived: async () =>
          server.received.splice(0).map(({ headers }) => asSent(String(headers["x-mark"]))),
      },
      "the path": {
        // The path is the caller's to write, its query as well: only what is no URL is encoded.
        send: (output, value) => output.invoke("get", { path: encodeURIComponent(value) }),
        arrived: async () =>
          server.received
            .splice(0)
            .map(({ url = "" }) => decodeURIComponent(url.slice("/base/".length))),
      },
    },
  };
});

testHostileValues(websocket, ["a message"], async () => {
  const server = await RawServer.start();
  const take = async () => {
    await vi.waitFor(() => expect(server.texts.length).toBeGreaterThan(0));
    return server.frames.splice(0).map(({ data }) => data.toString());
  };
  return {
    properties: { url: server.url },
    places: {
      "a message": {
        send: (output, value) => output.invoke("send", {}, { data: value }),
        arrived: take,
      },
    },
  };
});

testHostileValues(graphql, ["a header", "a variable"], async () => {
  const server = await startDroids();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  const mutation = "mutation ($name: String!) { addDroid(name: $name) { id } }";
  return {
    properties: { endpoint: server.url },
    places: {
      "a header": {
        send: (output, value) =>
          output.invoke("query", { query: "query { whoAmI }", "header:x-mark": value }),
        arrived: async () =>
          server.received.splice(0).map(({ headers }) => asSent(String(headers["x-mark"]))),
      },
      "a variable": {
        send: (output, value) => output.invoke("mutation", { mutation, "variable:name": value }),
        arrived: async () => server.droids.splice(0).map(({ name }) => name),
      },
    },
  };
});

testHostileValues(influx, ["the measurement", "the tags", "the values"], async () => {
  const server = await startInflux();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  const arrived = async () => server.lines.splice(0);
  const create = (point: object) => ({ data: JSON.stringify(point) });
  return {
    properties: { url: server.url, ...account },
    places: {
      "the measurement": {
        send: (output, measurement) =>
          output.invoke("create", {}, create({ measurement, values: "a=1" })),
        arrived,
        expected: (value) => `${value} a=1`,
      },
      "the tags": {
        send: (output, tags) =>
          output.invoke("create", {}, create({ measurement: "m", tags, values: "a=1" })),
        arrived,
        expected: (value) => `m,${value} a=1`,
      },
      "the values": {
        send: (output, values) => output.invoke("create", {}, create({ measurement: "m", values })),
        arrived,
        // They are a part of the line that the caller writes: the stand-in takes what has a field.
        expected: (value) => `m ${value}`,
        harmless: "a=1",
      },
    },
  };
});

testHostileValues(twilio, ["the number"], async () => {
  const server = await startLoopback((_, response) => void response.writeHead(201).end("{}"));
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    properties: { accountSid: "AC1", authToken: "token", fromNumber: "+1", apiUrl: server.url },
    places: {
      "the number": {
        send: (output, toNumber) => output.invoke("create", { toNumber }, { data: "hello" }),
        arrived: async () =>
          server.received
            .splice(0)
            .map(({ body }) => new URLSearchParams(body.toString()).get("To") ?? ""),
      },
    },
  };
});

testHostileValues(smtp, ["the subject", "a recipient"], async () => {
  const server = await startMailServer();
  const mail = { emailFrom: "a@example.com", emailTo: "b@example.com", subject: "Hello" };
  return {
    properties: { host: "127.0.0.1", port: String(server.port), ...mail },
    places: {
      "the subject": {
        send: (output, subject) => output.invoke("create", { subject }, { data: "hello" }),
        arrived: async () =>
          server.received
            .splice(0)
            .map(({ raw }) => decodedWords(parseMail(raw).header("subject") ?? "")),
      },
      "a recipient": {
        send: (output, emailTo) => output.invoke("create", { emailTo }, { data: "hello" }),
        arrived: async () => server.received.splice(0).map(({ to }) => to.join(";")),
        harmless: "c@example.com",
      },
    },
  };
});

testHostileValues(localstorage, ["a file's name"], async () => {
  const folder = await mkdtemp(join(tmpdir(), "cufflink-hostile-"));
  endAfterTest(() => rm(folder, { recursive: true }));
  const rootPath = join(folder, "a", "root");
  return {
    properties: { rootPath },
    places: {
      "a file's name": {
        send: (output, fileName) => output.invoke("create", { fileName }, { data: "hello" }),
        // As in Dapr, a path begins at the root, out of which `..` does not lead.
        expected: (fileName) => relative("/", join("/", fileName)),
        // All that is there, wherever it got to.
        async arrived() {
          const files = await readdir(folder, { recursive: true, withFileTypes: true });
          const paths = files
            .filter((entry) => entry.isFile())
            .map((entry) => join(entry.parentPath, entry.name));
          await Promise.all(paths.map((path) => rm(path)));
          return paths.map((path) => relative(rootPath, path));
        },
      },
    },
  };
});
