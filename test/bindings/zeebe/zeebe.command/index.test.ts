import { readFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import zeebeCommand from "../../../../src/bindings/zeebe/zeebe.command/index.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { uniqueName } from "../../../servers/unique-name.ts";
import { startLoopback } from "../../http/loopback-server.ts";
import { openOutput, textOf, type OpenedOutput } from "../../opened-output.ts";
import { bpmn, zeebePeer } from "../peer.ts";

type Server = { readonly host: string; readonly port: number };

const address = ({ host, port }: Server) => ({
  ...{ gatewayAddr: `${host}:${port}`, usePlainTextConnection: "true" },
});

/** The answer with its keys as they are written. */
async function ask(output: OpenedOutput, operation: string, data: string, metadata = {}) {
  return textOf(await output.invoke(operation, metadata, { data }));
}

const keyIn = (text: string | undefined, name: string): string =>
  new RegExp(`"${name}":(\\d+)`).exec(text ?? "")?.[1] ?? "";

describeWith("zeebe", (server) => {
  test("topology: as Go writes it, without what is zero", async () => {
    await using output = await openOutput(zeebeCommand, address(server));
    expect(await ask(output, "topology", "")).toBe(
      '{"brokers":[{"host":"127.0.0.1","port":26501,"partitions":[{"partitionId":1},{"partitionId":2,"role":1,"health":1}],"version":"8.5.0"}],"clusterSize":1,"partitionsCount":2,"replicationFactor":1,"gatewayVersion":"8.5.0"}',
    );
  });

  test("deploy-resource, create-instance, activate-jobs, complete-job", async () => {
    await using output = await openOutput(zeebeCommand, address(server));
    const type = uniqueName("fetch");
    const id = `p-${type}`;
    const xml = bpmn(id, { type, headers: { colour: "red & blue" } });
    const deployed = await ask(output, "deploy-resource", xml, { fileName: "order.bpmn" });
    const processKey = keyIn(deployed, "processDefinitionKey");
    // Beyond what a double can tell apart.
    expect(BigInt(processKey) > 2n ** 53n).toBe(true);
    expect(deployed).toBe(
      `{"key":${BigInt(processKey) + 1n},"deployments":[{"Metadata":{"Process":{"bpmnProcessId":"${id}","version":1,"processDefinitionKey":${processKey},"resourceName":"order.bpmn","tenantId":"\\u003cdefault\\u003e"}}}],"tenantId":"\\u003cdefault\\u003e"}`,
    );
    const created = await ask(
      output,
      "create-instance",
      `{"bpmnProcessId":"${id}","variables":{"order":9007199254740993, "b" : 1.0}}`,
    );
    expect(created).toMatch(
      /^\{"processDefinitionKey":\d+,"bpmnProcessId":"[^"]+","version":1,"processInstanceKey":\d+,"tenantId":"\\u003cdefault\\u003e"\}$/,
    );
    const payload = { jobType: type, maxJobsToActivate: 5, timeout: "1m", workerName: "me" };
    const jobs = await ask(output, "activate-jobs", JSON.stringify(payload));
    // The variables are those that were sent, digit by digit.
    expect(jobs).toContain('"variables":"{\\"order\\":9007199254740993, \\"b\\" : 1.0}"');
    expect(jobs).toContain('"customHeaders":"{\\"colour\\":\\"red \\u0026 blue\\"}","worker":"me"');
    expect(await ask(output, "activate-jobs", JSON.stringify(payload))).toBe("null");
    const job = keyIn(jobs, "key");
    expect(await ask(output, "complete-job", `{"jobKey":${job},"variables":{"done":true}}`)).toBe(
      undefined,
    );
    const again = output.invoke("complete-job", {}, { data: `{"jobKey":"${job}"}` });
    await expect(again).rejects.toMatchObject({
      ...{ reason: "not_found", effect: "rejected", systemCode: "NOT_FOUND" },
      message: `cannot complete job for key ${job}: rpc error: code = NotFound desc = Command 'COMPLETE' rejected with code 'NOT_FOUND': Expected to complete job with key '${job}', but no such job was found`,
    });
  });

  test("create-instance with its result, by key, and by version", async () => {
    await using output = await openOutput(zeebeCommand, address(server));
    const id = uniqueName("ends");
    const deployed = await ask(output, "deploy-process", bpmn(id), { fileName: "a.bpmn" });
    const key = keyIn(deployed, "processDefinitionKey");
    const answer = await ask(
      output,
      "create-instance",
      `{"PROCESSDEFINITIONKEY":${key},"withResult":true,"requestTimeout":"5s","variables":{"a":1,"b":2},"fetchVariables":["a"]}`,
    );
    expect(answer).toContain('"variables":"{\\"a\\":1}"');
    const second = ask(output, "create-instance", `{"bpmnProcessId":"${id}","version":2}`);
    await expect(second).rejects.toMatchObject({
      reason: "not_found",
      message: expect.stringMatching(
        /^cannot create instance for bpmnProcessId ends.* and version 2: /,
      ) as string,
    });
    const type = uniqueName("waits");
    await ask(output, "deploy-resource", bpmn(`p-${type}`, { type }), { fileName: "b.bpmn" });
    const late = ask(
      output,
      "create-instance",
      `{"bpmnProcessId":"p-${type}","withResult":true,"requestTimeout":"100ms"}`,
    );
    await expect(late).rejects.toMatchObject({ reason: "deadline_exceeded", effect: "ambiguous" });
  });

  test("the jobs' and the instances' other commands", async () => {
    await using output = await openOutput(zeebeCommand, address(server));
    const peer = zeebePeer(server);
    const { type, processId } = await peer.place();
    const instance = await peer.start(processId, '{"a":1}');
    const set = await ask(
      output,
      "set-variables",
      `{"elementInstanceKey":${instance},"variables":{"b":2},"local":true}`,
    );
    expect(set).toMatch(/^\{"key":\d+\}$/);
    const [job] = await peer.activate(type);
    expect(job).toMatchObject({ variables: '{"a":1,"b":2}', retries: 3 });
    const failed = `{"jobKey":${job?.key},"retries":1,"errorMessage":"no","retryBackOff":1000000}`;
    expect(await output.invoke("fail-job", {}, { data: failed })).toEqual({});
    await ask(output, "update-job-retries", `{"jobKey":${job?.key},"retries":7}`);
    let again = await peer.activate(type);
    while (again.length === 0) again = await peer.activate(type);
    expect(again).toMatchObject([{ key: job?.key, retries: 7 }]);
    await ask(output, "throw-error", `{"jobKey":${job?.key},"errorCode":"E1","errorMessage":"x"}`);
    await ask(output, "cancel-instance", `{"processInstanceKey":${instance}}`);
    const gone = ask(output, "cancel-instance", `{"processInstanceKey":${instance}}`);
    await expect(gone).rejects.toMatchObject({ reason: "not_found" });
    const incident = ask(output, "resolve-incident", '{"incidentKey":7}');
    await expect(incident).rejects.toMatchObject({ reason: "not_found" });
  });

  test("publish-message: twice with one id is refused", async () => {
    await using output = await openOutput(zeebeCommand, address(server));
    const data = JSON.stringify({
      ...{ messageName: "paid", correlationKey: uniqueName("k"), messageId: "1" },
      ...{ timeToLive: "5m", variables: { a: 1 } },
    });
    expect(await ask(output, "publish-message", data)).toMatch(
      /^\{"key":\d+,"tenantId":"\\u003cdefault\\u003e"\}$/,
    );
    await expect(ask(output, "publish-message", data)).rejects.toMatchObject({
      ...{ reason: "already_exists", effect: "rejected" },
    });
  });

  const bad: readonly (readonly [operation: string, data: string, message: string])[] = [
    ["deploy-resource", "x", "fileName is a required attribute"],
    ["deploy-process", "x", "fileName is a required attribute"],
    ["create-instance", "{}", "either 'bpmnProcessId' or 'processDefinitionKey' must be passed"],
    [
      "create-instance",
      '{"bpmnProcessId":"a","processDefinitionKey":1}',
      "either 'bpmnProcessId' or 'processDefinitionKey' must be passed, not both at the same time",
    ],
    ["cancel-instance", "{}", "processInstanceKey is a required attribute"],
    ["set-variables", "{}", "elementInstanceKey is a required attribute"],
    ["set-variables", '{"elementInstanceKey":1}', "variables is a required attribute"],
    ["resolve-incident", "null", "incidentKey is a required attribute"],
    ["publish-message", '{"messageName":""}', "messageName is a required attribute"],
    ["activate-jobs", "{}", "jobType is a required attribute"],
    ["activate-jobs", '{"jobType":"a"}', "maxJobsToActivate is a required attribute"],
    ["complete-job", "{}", "jobKey is a required attribute"],
    ["fail-job", "{}", "jobKey is a required attribute"],
    ["fail-job", '{"jobKey":1}', "retries is a required attribute"],
    ["update-job-retries", '{"jobKey":null}', "jobKey is a required attribute"],
    ["throw-error", "{}", "jobKey is a required attribute"],
    ["throw-error", '{"jobKey":1}', "errorCode is a required attribute"],
    ["complete-job", "", "unexpected end of JSON input"],
    [
      "complete-job",
      "[1]",
      "json: cannot unmarshal array into Go value of type command.completeJobPayload",
    ],
    [
      "complete-job",
      '{"jobKey":1.5}',
      "json: cannot unmarshal number 1.5 into Go struct field completeJobPayload.jobKey of type int64",
    ],
    [
      "complete-job",
      '{"jobKey":9223372036854775808}',
      "json: cannot unmarshal number 9223372036854775808 into Go struct field completeJobPayload.jobKey of type int64",
    ],
    [
      "activate-jobs",
      '{"jobType":"a","maxJobsToActivate":1,"fetchVariables":[1]}',
      "json: cannot unmarshal number 1 into Go struct field activateJobsPayload.fetchVariables of type string",
    ],
    [
      "fail-job",
      '{"jobKey":1,"retries":1,"retryBackOff":"soon"}',
      'invalid value "soon" for field \'retryBackOff\' (expected a Go duration string, e.g. "30s", "5m", "1h30m", or a plain integer nanoseconds value): time: invalid duration "soon"',
    ],
  ];
  test.for(bad)("%s of %s is refused, and nothing is sent", async ([operation, data, message]) => {
    await using output = await openOutput(zeebeCommand, address(server));
    await expect(output.invoke(operation, {}, { data })).rejects.toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected", message },
    });
  });

  test("every command of the bad calls is one that there is", () => {
    const own = Object.keys(zeebeCommand.operations ?? {});
    expect([...new Set([...bad.map(([operation]) => operation), "topology"])].toSorted()).toEqual(
      own.toSorted(),
    );
  });
});

describeWith("zeebe", { own: true, only: ["PublishMessage"] }, (server) => {
  test("needs no permission beyond that of its operation", async () => {
    await using output = await openOutput(zeebeCommand, address(server));
    await output.invoke("publish-message", {}, { data: '{"messageName":"x"}' });
    await expect(output.ping()).resolves.toBeUndefined();
    await expect(output.invoke("topology")).rejects.toMatchObject({
      ...{ reason: "permission_denied", effect: "rejected" },
    });
  });
});

describeWith("zeebe", { own: true, tokens: ["right"] }, (server) => {
  test("logs in, asks for another token where one is refused, and keeps it in a file", async () => {
    const given = ["wrong", "right"];
    const tokens = await startLoopback((_, response) => {
      response.end(JSON.stringify({ access_token: given.shift(), expires_in: 3600 }));
    });
    onTestFinished(() => tokens[Symbol.asyncDispose]());
    const folder = await mkdtemp(join(tmpdir(), "cufflink-zeebe-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, "inner", "credentials.yaml");
    const properties = {
      ...address(server),
      ...{ clientId: "orders", clientSecret: "s3cret", tokenAudience: "zeebe.example" },
      ...{ authorizationServerUrl: `${tokens.url}/token`, clientConfigPath: file },
    };
    await using output = await openOutput(zeebeCommand, properties);
    expect(await ask(output, "topology", "")).toContain("clusterSize");
    expect(tokens.received.map(({ body }) => String(body))).toEqual(
      Array.from(
        { length: 2 },
        () =>
          "grant_type=client_credentials&client_id=orders&client_secret=s3cret&audience=zeebe.example",
      ),
    );
    expect(await readFile(file, "utf8")).toMatch(
      /^zeebe\.example:\n {2}auth:\n {4}credentials:\n {6}accesstoken: right\n/,
    );
    await using another = await openOutput(zeebeCommand, properties);
    expect(await ask(another, "topology", "")).toContain("clusterSize");
    expect(tokens.received).toHaveLength(2);
  });

  test("a log-in that is not whole is refused", async () => {
    const properties = { ...address(server), clientId: "a", tokenScope: "b" };
    await expect(openOutput(zeebeCommand, properties)).rejects.toMatchObject({
      reason: "invalid_argument",
      message:
        "invalid OAuth metadata: when OAuth is configured, clientId, clientSecret, authorizationServerUrl, and tokenAudience must all be provided; missing: clientSecret, authorizationServerUrl, tokenAudience",
    });
  });
});
