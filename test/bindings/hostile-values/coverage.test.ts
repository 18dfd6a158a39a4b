import { expect, test } from "vitest";
import { bindings } from "../../../src/bindings/index.ts";
import { testedBindings } from "../tested-bindings.ts";

/** Bindings that take no text of a caller, and why. */
const without: Readonly<Record<string, string>> = {
  "alicloud.dingtalk.webhook":
    "a call has a payload alone; what strangers send is in its own tests",
  "azure.eventgrid":
    "no metadata of a call is read; test/bindings/azure/azure.eventgrid has what strangers send",
  cron: "an input, whose schedule is parsed",
  exec: "nothing of a call is an argument: test/bindings/exec/index.test.ts",
  imap: "an input, whose metadata are tested in test/bindings/imap/index.test.ts",
  file: "an input, whose folder is the component's",
  kitex: "it is not built",
  kubernetes: "an input, whose namespace is refused unless it is the name of one",
  "rethinkdb.statechange": "an input, whose database and table are JSON texts of a query",
  sse: "an input, whose ids of the server are tested in test/bindings/sse/index.test.ts",
  "zeebe.jobworker": "an input: test/bindings/zeebe/zeebe.jobworker has what an app replies",
  webhook: "an input: test/bindings/webhook/answers.test.ts has what strangers send",
};

test("every binding that takes a caller's text is tested with hostile ones", () => {
  const tested = testedBindings(import.meta.dirname, "testHostileValues");
  const missing = bindings.filter(({ name }) => !tested.has(name) && !(name in without));
  expect(missing.map(({ name }) => name)).toEqual([]);
});
