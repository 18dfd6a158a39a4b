import { expect, onTestFinished, test, vi } from "vitest";
import gremlin from "../../../../src/bindings/azure/azure.cosmosdb.gremlinapi/index.ts";
import { withClouds } from "../../../clouds.ts";
import { describeWith, uniqueName } from "../../../servers/describe-with.ts";
import { gremlinUser } from "../../../servers/gremlin.ts";
import { startProxy } from "../../../servers/proxy.ts";
import { openOutput } from "../../opened-output.ts";
import { query } from "./stand-in.ts";

const soon = { timeout: 20_000, interval: 10 };
type Answer = { readonly data?: Uint8Array | undefined } | undefined;
const jsonOf = (answer: Answer): unknown => JSON.parse(Buffer.from(answer?.data ?? []).toString());

test("Gremlin Server is asked by `npm run test:clouds`", () => {
  expect(gremlin.provedBy?.map(({ system }) => system)).toContain("Apache Gremlin Server");
});

if (withClouds)
  describeWith("gremlin", (server) => {
    const opened = async (more: Record<string, string> = {}) => {
      const output = await openOutput(gremlin, { url: server.url, ...gremlinUser, ...more });
      onTestFinished(() => output[Symbol.asyncDispose]());
      return output;
    };

    test("queries: vertices, values, none, and many in parts", async () => {
      const output = await opened();
      const run = async (text: string, bindings = {}) =>
        jsonOf(await output.invoke("query", {}, query(text, { bindings })));
      const label = uniqueName("orders");
      const hostile = `a\r\n"'\\\0 ü ${"k".repeat(65_536)}`;
      const add = "g.addV(kind).property('text', text).property('large', 9007199254740993L)";
      expect(await run(add, { kind: label, text: hostile })).toMatchObject([
        { "@type": "g:Vertex", "@value": { label } },
      ]);
      expect(await run("g.V().hasLabel(kind).values('text')", { kind: label })).toEqual([hostile]);
      const large = query("g.V().hasLabel(kind).values('large')", { bindings: { kind: label } });
      const answer = await output.invoke("query", {}, large);
      expect(Buffer.from(answer?.data ?? []).toString()).toContain("9007199254740993");
      // Without a result (204) the server answers null.
      expect(await run("g.V().hasLabel('none')")).toBeNull();
      const values = await run("(0..<1000)");
      expect(values).toEqual(
        Array.from({ length: 1000 }, (_, n) => ({ "@type": "g:Int32", "@value": n })),
      );
      await expect(output.ping()).resolves.toBeUndefined();
    });

    test("many queries side by side on a connection of their own", async () => {
      const output = await opened();
      const texts = Array.from({ length: 100 }, (_, n) => `g.inject('${n}')`);
      const answers = await Promise.all(
        texts.map((text) => output.invoke("query", {}, query(text))),
      );
      expect(answers.map(jsonOf)).toEqual(texts.map((_, n) => [`${n}`]));
    });

    test.each([
      ["g.V(", "invalid_argument", "597"],
      ["g.V().noSuchStep()", "invalid_argument", "597"],
      ["Thread.sleep(60000)", "deadline_exceeded", "598"],
    ])("%s is told as what it is", async (text, reason, systemCode) => {
      const output = await opened();
      await expect(output.invoke("query", {}, query(text))).rejects.toMatchObject({
        ...{ reason, systemCode, effect: "ambiguous" },
        message: expect.stringMatching(/^CosmosDBGremlinAPI Error:error excuting gremlin: ./),
      });
      expect(jsonOf(await output.invoke("query", {}, query("g.inject('a')")))).toEqual(["a"]);
    });

    test.each([{ masterKey: "wrong" }, { username: "nobody" }])(
      "%j logs nobody in",
      async (more) => {
        const output = await opened(more);
        for (let times = 0; times < 2; times++)
          await expect(output.invoke("query", {}, query("g.V()"))).rejects.toMatchObject({
            ...{ reason: "unauthenticated", effect: "rejected", systemCode: "401" },
          });
      },
    );

    test("a cut in the middle is ambiguous, and the next query has another connection", async () => {
      const proxy = await startProxy(server);
      onTestFinished(() => proxy[Symbol.asyncDispose]());
      const output = await opened({ url: `ws://${proxy.host}:${proxy.port}/gremlin` });
      await output.invoke("query", {}, query("g.inject('a')"));
      const label = uniqueName("cut");
      const slow = query("g.addV(kind).iterate(); Thread.sleep(5000)", {
        bindings: { kind: label },
      });
      const outcome = expect(output.invoke("query", {}, slow)).rejects.toMatchObject({
        ...{ reason: "unavailable", effect: "ambiguous" },
      });
      const other = await opened();
      const count = query("g.V().hasLabel(kind).count()", { bindings: { kind: label } });
      await vi.waitFor(async () => {
        const [found] = jsonOf(await other.invoke("query", {}, count)) as { "@value": number }[];
        expect(found?.["@value"]).toBe(1);
      }, soon);
      proxy.cut();
      await outcome;
      expect(jsonOf(await output.invoke("query", {}, query("g.inject('b')")))).toEqual(["b"]);
    });
  });
