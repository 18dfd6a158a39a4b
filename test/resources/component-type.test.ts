import { expect, test } from "vitest";
import { bindings } from "../../src/bindings/index.ts";
import { lint } from "../../src/resources/lint.ts";
import { brief, component, folder, load } from "./folder.ts";

/** Types that Dapr has and this version has not. */
const others = (
  "alicloud.oss aws.dynamodb aws.kinesis aws.s3 aws.ses aws.sns aws.sqs apns azure.blobstorage azure.cosmosdb " +
  "azure.eventhubs azure.servicebusqueues azure.signalr azure.storagequeues gcp.bucket gcp.pubsub graphql " +
  "huawei.obs influx kubernetes mysql postgres postgresql postmark rethinkdb.statechange rocketmq sftp " +
  "twilio.sendgrid twitter wasm zeebe.command"
)
  .split(" ")
  .filter((name) => bindings.every((one) => one.name !== name && !one.aliases?.includes(name)));

async function problemsOf(files: Readonly<Record<string, string>>): Promise<string[]> {
  const path = folder(files);
  const { components, problems } = await load(path, { bindings });
  return brief([...problems, ...(await lint(components, bindings, { frameworkFields: {} }))], path);
}

test("no other type is suggested in place of one that is spelt right and not there", async () => {
  const files = Object.fromEntries(
    others.map((name, index) => [`${index}.yaml`, component(`c${index}`, `bindings.${name}`)]),
  );
  const problems = await problemsOf(files);
  expect(problems.filter((text) => text.includes("is not known"))).toHaveLength(others.length);
  expect(problems.filter((text) => text.includes("did you mean"))).toEqual([]);
});

test.each([
  ["bindings.kafak", "bindings.kafka"],
  ["binding.kafka", "bindings.kafka"],
  ["binding.kafak", "bindings.kafka"],
  ["kafka", "bindings.kafka"],
  ["bindings.twilio.sm", "bindings.twilio.sms"],
  ["bindings.rethinkdb", "bindings.rethinkdb.statechange"],
  ["sate.redis", "state.redis"],
])("%s is taken for %s", async (type, meant) => {
  const problems = await problemsOf({ "a.yaml": component("a", type) });
  expect(problems).toContainEqual(expect.stringContaining(`did you mean "${meant}"?`));
});

test("a mistake in the building block suggests no type that is not there", async () => {
  const problems = await problemsOf({ "a.yaml": component("a", "binding.twitter") });
  expect(problems.join()).toMatch(/type "binding\.twitter" is not known$/);
});
