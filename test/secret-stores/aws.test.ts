import { expect, test } from "vitest";
import { AwsClient } from "../../src/bindings/aws/client.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";
import parameterStore from "../../src/secret-stores/aws/aws.parameterstore/index.ts";
import secretManager from "../../src/secret-stores/aws/aws.secretmanager/index.ts";
import { brief, component, folder, load } from "../resources/folder.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { openStore } from "./open.ts";

const keys = { region: "eu-central-1", accessKey: "AKIATESTTEST", secretKey: "secret-key-canary" };

describeWith("moto", (moto) => {
  const own = { ...keys, endpoint: moto.url };
  /** Asks an operation that no store has. */
  const ask = async (prefix: string, operation: string, input: object): Promise<object> => {
    const metadata = {
      ...own,
      ...{ sessionToken: undefined, assumeRoleArn: undefined, sessionName: undefined },
      ...{ trustAnchorArn: undefined, trustProfileArn: undefined, caCert: undefined },
    };
    const service =
      prefix === "AmazonSSM"
        ? { id: "SSM", host: "ssm" }
        : { id: "Secrets Manager", host: "secretsmanager", variable: "SECRETS_MANAGER" };
    const memory = new MemoryBudget().share("test");
    await using client = await AwsClient.open({ metadata, memory, driver: () => ({}) }, service);
    return await client.json(
      { prefix, operation, version: "1.1" },
      input,
      AbortSignal.timeout(10_000),
    );
  };

  test("Secrets Manager: a text, an object with several keys, by name and by ARN, and none", async () => {
    const [text, object] = [uniqueName("text"), uniqueName("object")];
    const created = await ask("secretsmanager", "CreateSecret", { Name: text, SecretString: "a" });
    const parts = '{"user":"shop","port":5432,"more":{"a":[1]}}';
    await ask("secretsmanager", "CreateSecret", { Name: object, SecretString: parts });
    const { read } = openStore(secretManager, own);
    expect(await read(text)).toEqual({ [text]: "a" });
    const arn = (created as { ARN: string }).ARN;
    expect(await read(arn)).toEqual({ [text]: "a", [arn]: "a" });
    expect(await read(object)).toEqual({ [object]: parts });
    const several = openStore(secretManager, { ...own, multipleKeyValuesPerSecret: "true" });
    expect(await several.read(object)).toEqual({ user: "shop", port: "5432", more: '{"a":[1]}' });
    expect(await several.read(text)).toEqual({ [text]: "a" });
    expect(await read(uniqueName("gone"))).toBeUndefined();
    await ask("secretsmanager", "PutSecretValue", { SecretId: text, SecretString: "b" });
    expect(await read(text)).toEqual({ [text]: "b" });
  });

  test("Parameter Store: plain and encrypted, with a prefix, and none", async () => {
    const prefix = `/${uniqueName("shop")}/`;
    const put = (name: string, Type: string, Value: string): Promise<object> =>
      ask("AmazonSSM", "PutParameter", { Name: prefix + name, Type, Value });
    await put("plain", "String", "a");
    await put("hidden", "SecureString", "b");
    const { read } = openStore(parameterStore, { ...own, prefix });
    expect(await read("plain")).toEqual({ plain: "a" });
    expect(await read("hidden")).toEqual({ hidden: "b" });
    expect(await read("gone")).toBeUndefined();
    const bare = openStore(parameterStore, own);
    expect(await bare.read(`${prefix}plain`)).toEqual({ [`${prefix}plain`]: "a" });
  });
});

test.each([secretManager, parameterStore])(
  "$name: one that is away, without secrets",
  async (type) => {
    const { read, logger } = openStore(type, { ...keys, endpoint: "http://127.0.0.1:1" });
    const error: unknown = await read("x").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ reason: "unavailable" });
    expect(JSON.stringify([String(error), logger.lines])).not.toContain("canary");
  },
);

test("mistakes of the metadata are found at their lines", async () => {
  const yaml = component(
    ...["aws", "secretstores.aws.secretmanager"],
    "- {name: accessKey, value: AKIA}\n- {name: multipleKeyValuesPerSecret, value: perhaps}",
  );
  const path = folder({ "a.yaml": yaml });
  expect(brief((await load(path)).problems, path)).toEqual([
    expect.stringMatching(/^a\.yaml:8:\d+ error: accessKey is set without secretKey/),
    expect.stringMatching(/^a\.yaml:9:\d+ warning: property "multipleKeyValuesPerSecret"/),
  ]);
});
