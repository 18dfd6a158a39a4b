import { expect, test } from "vitest";
import { folder } from "../resources/folder.ts";
import { cufflinkHere } from "./in-process.ts";

const yaml = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: sort}
spec:
  type: bindings.exec
  version: v1
  metadata:
    - {name: command, value: sort}
`;

test("check says that programs do not run without --allow-exec", async () => {
  const path = folder({ "a.yaml": yaml });
  const { code, stdout } = await cufflinkHere(["check", path]);
  expect(stdout).toMatch(/a\.yaml:5:9 error: bindings\.exec runs programs .* --allow-exec/);
  expect(code).toBe(1);
  const allowed = await cufflinkHere(["check", "--allow-exec", path]);
  expect(allowed.stdout).toBe("1 component: no problems\n");
});

test("check knows the folder of pluggable components", async () => {
  const path = folder({ "a.yaml": yaml.replace("bindings.exec", "bindings.queue") });
  const env = { DAPR_COMPONENTS_SOCKETS_FOLDER: "/run/sockets" };
  const { stdout } = await cufflinkHere(["check", path], env);
  expect(stdout).toMatch(
    /a\.yaml:5:9 warning: .* by the socket \/run\/sockets\/queue\.sock, which/,
  );
});
