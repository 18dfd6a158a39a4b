import { expect, test } from "vitest";
import { stringToSign } from "../../../src/bindings/azure/shared-key.ts";

// The examples of "Authorize with Shared Key" in the reference of Azure Storage.
test("the string to sign is that of Azure's reference", () => {
  const metadata = stringToSign("myaccount", {
    method: "GET",
    path: "/mycontainer",
    query: { restype: "container", comp: "metadata", timeout: "20" },
    headers: { "x-ms-version": "2015-02-21", "x-ms-date": "Fri, 26 Jun 2015 23:39:12 GMT" },
    contentLength: 0,
  });
  expect(metadata).toBe(
    "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20",
  );
  const put = stringToSign("myaccount", {
    method: "PUT",
    path: "/mycontainer/hello.txt",
    query: {},
    headers: {
      "content-type": "text/plain; charset=UTF-8",
      "x-ms-blob-type": "BlockBlob",
      "x-ms-date": "Sun, 20 Sep 2009 20:36:40 GMT",
      "x-ms-meta-m1": "v1 ",
      "x-ms-meta-m2": "v2",
      "x-ms-version": "2009-09-19",
    },
    contentLength: 11,
  });
  expect(put).toBe(
    "PUT\n\n\n11\n\ntext/plain; charset=UTF-8\n\n\n\n\n\n\nx-ms-blob-type:BlockBlob\nx-ms-date:Sun, 20 Sep 2009 20:36:40 GMT\nx-ms-meta-m1:v1\nx-ms-meta-m2:v2\nx-ms-version:2009-09-19\n/myaccount/mycontainer/hello.txt",
  );
});
