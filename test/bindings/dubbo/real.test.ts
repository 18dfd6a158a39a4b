// What only Apache Dubbo itself can show; slow to start.
import { describe, expect, test } from "vitest";
import dubbo from "../../../src/bindings/dubbo/index.ts";
import { HessianReader } from "../../../src/bindings/dubbo/hessian-reader.ts";
import { HessianWriter } from "../../../src/bindings/dubbo/hessian-writer.ts";
import { withClouds } from "../../clouds.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { openOutput } from "../opened-output.ts";

describe.runIf(withClouds)("Apache Dubbo", () => {
  describeWith("dubbo", (server) => {
    const properties = {
      ...{ providerHostname: server.host, providerPort: String(server.port) },
      ...{ interfaceName: "Main$Users", version: "1.0.0", group: "shop" },
    };
    async function invoke(methodName: string, call: object): Promise<unknown> {
      await using output = await openOutput(dubbo, properties);
      const data = JSON.stringify(call);
      const answer = await output.invoke("invoke", { methodName }, { data });
      return JSON.parse(Buffer.from(answer?.data ?? []).toString()) as unknown;
    }
    const text = (value: string) => ({ parameterTypes: ["java.lang.String"], arguments: [value] });

    test.each(["shop", "", "grün", "𝄞 and 😀", "x".repeat(100_000), "ü😀".repeat(30_000)])(
      "a text comes and goes as it is (%#)",
      async (name) => {
        expect(await invoke("sayHello", text(name))).toBe(`hello ${name}`);
      },
    );

    test("an object goes by its fields, and comes with its class", async () => {
      const user = { name: "Ada", age: 36, number: 7, balance: 1.5, tags: ["a", "b"] };
      const since = "2026-01-02 03:04:05";
      const call = {
        parameterTypes: ["Main$User", "int"],
        arguments: [{ ...user, since }, 1],
      };
      expect(await invoke("older", call)).toMatchObject({ ...user, age: 37, class: "Main$User" });
    });

    test("numbers keep their digits", async () => {
      await using output = await openOutput(dubbo, properties);
      const data = `{"parameterTypes":["java.util.Map"],"arguments":[{"big":9223372036854775807,"small":-42,"half":0.5,"none":null,"yes":true,"list":[1,[2]]}]}`;
      const answer = await output.invoke("invoke", { methodName: "echo" }, { data });
      const said = Buffer.from(answer?.data ?? []).toString();
      expect(said).toContain('"big":9223372036854775807');
      expect(JSON.parse(said)).toMatchObject({
        ...{ small: -42, half: 0.5, none: null, yes: true, list: [1, [2]] },
      });
    });

    test("a method without a result answers null", async () => {
      expect(await invoke("nothing", {})).toBe(null);
    });

    test("what a method throws is told with its class", async () => {
      await expect(invoke("fail", text("no money"))).rejects.toMatchObject({
        ...{ reason: "internal", effect: "rejected" },
        systemCode: "java.lang.IllegalStateException",
        message: expect.stringContaining("no money"),
      });
    });

    test("a service and a method that are not there are told", async () => {
      await using output = await openOutput(dubbo, properties);
      const data = JSON.stringify(text("x"));
      await expect(
        output.invoke("invoke", { methodName: "sayHello", version: "2.0.0" }, { data }),
      ).rejects.toMatchObject({ effect: expect.stringMatching(/rejected|ambiguous/) });
      await expect(
        output.invoke("invoke", { methodName: "nowhere" }, { data }),
      ).rejects.toMatchObject({ effect: "rejected" });
    });

    test("get answers the body of the response as it came", async () => {
      await using output = await openOutput(dubbo, properties);
      const data = new HessianWriter().string("Ljava/lang/String;").string("raw").bytes();
      const answer = await output.invoke("get", { methodName: "sayHello" }, { data });
      const reader = new HessianReader(answer?.data ?? new Uint8Array());
      expect([1, 4]).toContain(reader.read());
      expect(reader.read()).toBe("hello raw");
    });

    test("calls go side by side", async () => {
      await using output = await openOutput(dubbo, properties);
      const slow = { parameterTypes: ["long"], arguments: [1_000] };
      const order: string[] = [];
      const first = output
        .invoke("invoke", { methodName: "slow" }, { data: JSON.stringify(slow) })
        .then(() => order.push("slow"));
      const data = JSON.stringify(text("quick"));
      await output
        .invoke("invoke", { methodName: "sayHello" }, { data })
        .then(() => order.push("quick"));
      await first;
      expect(order).toEqual(["quick", "slow"]);
    });
  });
});
