import { once } from "node:events";
import { expect, test } from "vitest";
import { startServing } from "../../cli/serving.ts";
import { until } from "../../until.ts";
import { FakeComponent, socketsFolder } from "../fake-component.ts";

const yaml = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: orders}
spec:
  type: bindings.queue
  version: v1
  metadata:
    - {name: size, value: "7"}
    - {name: direction, value: output}
`;

test("serve takes daprd's environment variable, and tells of a socket that is not there", async () => {
  const folder = await socketsFolder();
  const env = { DAPR_COMPONENTS_SOCKETS_FOLDER: folder };
  const { http, command } = await startServing({ "a.yaml": yaml }, [], env);
  await command.printed(/waiting for socket .*queue\.sock/);
  const fake = await FakeComponent.start({ folder });
  fake.onInvoke = ({ data }) => ({ data: Buffer.from(`got ${data}`) });
  const invoke = (): Promise<Response> =>
    fetch(`http://127.0.0.1:${http}/v1.0/bindings/orders`, {
      method: "POST",
      body: JSON.stringify({ operation: "create", data: { n: 1 } }),
    });
  const answer = await invoke();
  expect(await answer.text()).toBe('got {"n":1}');
  const properties = { size: "7", direction: "output" };
  expect(fake.inits).toEqual([{ direction: "output", instance: "orders", properties }]);
  const metadata = await fetch(`http://127.0.0.1:${http}/v1.0/metadata`);
  expect(await metadata.text()).toContain("bindings.queue");
  await fake.crash();
  await until(() => /nobody listens|waiting for socket/.test(command.stdout), { what: "the loss" });
  command.signal("SIGTERM");
  await once(command.child, "exit");
});
