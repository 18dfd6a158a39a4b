import { describe, expect, test } from "vitest";
import http from "../../../src/bindings/http/index.ts";
import { openOutput, textOf } from "../opened-output.ts";
import { startLoopback } from "./loopback-server.ts";
import type { LoopbackServer } from "./loopback-server.ts";

/** Answers `/from` by a redirect, everything else by what it was asked. */
function redirecting(status: number, location: () => string): Promise<LoopbackServer> {
  return startLoopback(({ method, url, body }, response) => {
    if (url === "/from") response.writeHead(status, { location: location() }).end("moved");
    else response.end(`${method} ${url} ${body.toString()}`);
  });
}

describe("a redirect", () => {
  test.each([
    [301, "post", "GET /to "],
    [302, "put", "GET /to "],
    [303, "delete", "GET /to "],
    [303, "get", "GET /to "],
    [307, "post", "POST /to data"],
    [308, "patch", "PATCH /to data"],
    [308, "delete", "DELETE /to "],
  ])("%s of %s: %s", async (status, operation, expected) => {
    await using server = await redirecting(status, () => "/to");
    await using output = await openOutput(http, { url: server.url });
    const answer = await output.invoke(operation, { path: "from" }, { data: "data" });
    expect(textOf(answer)).toBe(expected);
    expect(server.received[1]?.headers["referer"]).toBe(`${server.url}/from`);
    expect("content-type" in (server.received[1]?.headers ?? {})).toBe(expected.endsWith("data"));
  });

  test("of HEAD stays HEAD", async () => {
    await using server = await redirecting(302, () => "/to");
    await using output = await openOutput(http, { url: server.url });
    await output.invoke("head", { path: "from" });
    expect(server.received.map(({ method }) => method)).toEqual(["HEAD", "HEAD"]);
  });

  test.each([
    ["relative", "to?x=1", "GET /to?x=1 "],
    ["of the query", "?x=1", "GET /from?x=1 "],
    ["with a fragment", "/to#there", "GET /to "],
    ["not ASCII", Buffer.from("/grün").toString("latin1"), "GET /gr%C3%BCn "],
  ])("%s", async (_title, location, expected) => {
    await using server = await redirecting(302, () => location);
    await using output = await openOutput(http, { url: server.url });
    expect(textOf(await output.invoke("get", { path: "from" }))).toBe(expected);
  });

  test("to the same host keeps the token, to another host loses all secrets", async () => {
    await using server = await startLoopback(({ url }, response) => {
      const port = response.socket?.localPort;
      if (url === "/a") response.writeHead(302, { location: "/b" }).end();
      else if (url === "/b")
        response.writeHead(307, { location: `http://localhost:${port}/c` }).end();
      else response.end();
    });
    await using output = await openOutput(http, {
      url: server.url,
      securityToken: "s3cret",
      securityTokenHeader: "X-Token",
    });
    await output.invoke("get", {
      path: "a",
      Authorization: "Bearer x",
      Cookie: "a=1",
      "X-Other": "kept",
    });
    const seen = server.received.map(({ headers }) => [
      headers["x-token"],
      headers.authorization,
      headers.cookie,
      headers["x-other"],
    ]);
    const all = ["s3cret", "Bearer x", "a=1", "kept"];
    expect(seen).toEqual([all, all, [undefined, undefined, undefined, "kept"]]);
  });

  test("the tenth is followed, the eleventh is not", async () => {
    await using server = await startLoopback(({ url }, response) => {
      const left = Number(url?.slice(1));
      if (left > 0) response.writeHead(302, { location: `/${left - 1}` }).end();
      else response.end("there");
    });
    await using output = await openOutput(http, { url: server.url });
    expect(textOf(await output.invoke("get", { path: "10" }))).toBe("there");
    await expect(output.invoke("get", { path: "11" })).rejects.toThrow(
      "stopped after 10 redirects",
    );
  });

  test.each(["ftp://host/", "http://"])("to %s leads nowhere", async (location) => {
    await using server = await redirecting(302, () => location);
    await using output = await openOutput(http, { url: server.url });
    await expect(output.invoke("get", { path: "from" })).rejects.toMatchObject({
      reason: "failed_precondition",
      message: expect.stringContaining("a redirect leads nowhere"),
    });
  });

  test("without a Location is an answer", async () => {
    await using server = await startLoopback(
      (_received, response) => void response.writeHead(302).end("x"),
    );
    await using output = await openOutput(http, { url: server.url, errorIfNot2XX: "false" });
    expect(await output.invoke("get")).toMatchObject({ metadata: { statusCode: "302" } });
  });
});
