import { resolve } from "node:path";
import { expect, test } from "vitest";
import { stateFolder } from "../../src/store/state-folder.ts";

test.each<[string, string | undefined, NodeJS.ProcessEnv, string | undefined]>([
  ["the flag first", "/data", { XDG_STATE_HOME: "/xdg", HOME: "/h" }, "/data/cufflink/orders"],
  ["the flag from here", "data", { HOME: "/h" }, resolve("data/cufflink/orders")],
  ["then XDG's folder", undefined, { XDG_STATE_HOME: "/xdg", HOME: "/h" }, "/xdg/cufflink/orders"],
  [
    "not a relative one",
    undefined,
    { XDG_STATE_HOME: "x", HOME: "/h" },
    "/h/.local/state/cufflink/orders",
  ],
  ["then the home", undefined, { HOME: "/h" }, "/h/.local/state/cufflink/orders"],
  ["else none", undefined, { XDG_STATE_HOME: "", HOME: "" }, undefined],
  ["else none, without variables", undefined, {}, undefined],
])("the state folder: %s", (_, stateDir, environment, folder) => {
  expect(stateFolder("orders", stateDir, environment)).toBe(folder);
});

test.each([
  ["..", "/s/cufflink/%2E%2E"],
  [".", "/s/cufflink/%2E"],
  ["../../etc", "/s/cufflink/..%2F..%2Fetc"],
  ["a/b", "/s/cufflink/a%2Fb"],
  ["Größe", "/s/cufflink/Gr%C3%B6%C3%9Fe"],
])("the app id %s stays within it", (appId, folder) => {
  expect(stateFolder(appId, "/s", {})).toBe(folder);
});
