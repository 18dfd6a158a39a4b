import { expect, test } from "vitest";
import { bindings } from "../../../src/bindings/index.ts";
import {
  GuestRefused,
  readGuest,
  refuseUnknownImports,
} from "../../../src/bindings/wasm/module.ts";
import { wasiFunctions } from "../../../src/bindings/wasm/wasi.ts";
import wasm from "../../../src/bindings/wasm/index.ts";
import { lint } from "../../../src/resources/lint.ts";
import { brief, component, folder, load } from "../../resources/folder.ts";
import { openOutput } from "../opened-output.ts";
import { assembled, echoGuest, guestUrl } from "./guests.ts";

const maxMemory = 1024 * 1024;
const ofHttp = '(module (import "default-outgoing-HTTP" "request" (func)))';

test.each([
  ["a module of WASI alone", echoGuest, undefined],
  ["wasi-http", ofHttp, 'it needs wasi-http (it imports "default-outgoing-HTTP.request")'],
  [
    "wasi-http of the second version",
    '(module (import "wasi:http/types" "x" (func)))',
    "it needs wasi-http",
  ],
  [
    "a function of another host",
    '(module (import "env" "spawn" (func)))',
    'it imports "env.spawn"',
  ],
  [
    "a function that WASI has not",
    '(module (import "wasi_snapshot_preview1" "exec" (func)))',
    "exec",
  ],
  [
    "WASI before its first version",
    '(module (import "wasi_unstable" "fd_write" (func)))',
    "wasi_unstable",
  ],
  ["a memory of the host", '(module (import "env" "memory" (memory 1)))', "which is no function"],
  [
    "too much memory",
    "(module (memory 17))",
    "asks for 17 pages of memory at its start, which is more than maxMemory (16 pages)",
  ],
  ["shared memory", "(module (memory 1 2 shared))", "shared or of 64 bits"],
  ["memory of 64 bits", "(module (memory i64 1))", "shared or of 64 bits"],
  ["a table as large as memory", "(module (table 1000001 funcref))", "more than 1000000 entries"],
  [
    "two that are together",
    "(module (table 600000 funcref) (table 600000 funcref))",
    "more than 1000000 entries",
  ],
])("%s", async (_, text, refusal) => {
  const read = async () =>
    refuseUnknownImports(readGuest(await assembled(text), maxMemory), wasiFunctions);
  if (refusal === undefined) await read();
  else await expect(read()).rejects.toThrow(refusal);
});

test("what is cut off, or no module, is refused at each place", async () => {
  const bytes = await assembled(echoGuest);
  for (let length = 0; length < bytes.length; length++) {
    const part = bytes.subarray(0, length);
    try {
      readGuest(part, maxMemory);
    } catch (error) {
      expect(error).toBeInstanceOf(GuestRefused);
    }
  }
  expect(() => readGuest(Buffer.from("#!/bin/sh\n"), maxMemory)).toThrow("it is no module");
  const second = Buffer.from("0061736d0d000100", "hex");
  expect(() => readGuest(second, maxMemory)).toThrow("it is a component, not a module");
  const huge = Buffer.from("0061736d0100000005ffffffff0f", "hex");
  expect(() => readGuest(huge, maxMemory)).toThrow("cut off");
  const url = await guestUrl(Buffer.concat([bytes.subarray(0, 8), Buffer.from([10, 2, 1, 9])]));
  await expect(openOutput(wasm, { url })).rejects.toThrow("wasm: error compiling binary: ");
});

test("check names a guest that cannot run here, and runs nothing of it", async () => {
  const endless = "(module (func $on (loop $more (br $more))) (start $on))";
  const urls = await Promise.all(
    [ofHttp, "(module (memory 9999))", endless].map((one) => guestUrl(one)),
  );
  const files = urls.map((url, at): [string, string] => [
    `${at}.yaml`,
    component(`guest${at}`, "bindings.wasm", `- name: url\n  value: ${url}`),
  ]);
  const path = folder(Object.fromEntries(files));
  const { components } = await load(path, { bindings });
  const found = (isThorough: boolean) =>
    lint(components, bindings, { frameworkFields: {}, isThorough }).then((all) => brief(all, path));
  expect(await found(true)).toEqual([
    expect.stringContaining("it needs wasi-http"),
    expect.stringContaining("9999 pages of memory"),
  ]);
  expect(await found(false)).toEqual([]);
});
