// Google's published vectors for its signing process: googleapis/conformance-tests, storage/v1/v4_signatures.json.
import { createPublicKey, verify } from "node:crypto";
import { expect, test } from "vitest";
import { urlToSign } from "../../../../src/bindings/gcp/gcp.bucket/signed-url.ts";
import vectors from "./v4-signatures.json" with { type: "json" };

/** Of the key that the vectors were signed with. */
const key = createPublicKey(`-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArD8zIqyKLbX0Nq8o0Jj1
qHEhHhqO3+0OP7TEFx5Vxc6PdwBoFNrfnJRI/S+ZaDYS1avr5Pqpp8g8+UNOMvI1
VsjGM8xjTaxkVv8mmKp6pSmQstTt25pzY1exA2wv4xNWSwWNFNx2kh35+kvTQ/DF
3YA9P7pUU1sKur1PP8OoubWLFO59iy5UE5dX0O/3pjvZ2HAhSXsx2VWtB5nlrHR8
FrKJNLJMEGEDSMz9yRfQaUeYCU9oDYHuiqKQ3rCXi6C82l+3FJw5/ggJ5y7iw8ME
rCFSslcYQRbBVz6ZYKWkEcJhs8BG3/16bfaqNusNlDIJ99I7DmipUngF/HEulYhf
rQIDAQAB
-----END PUBLIC KEY-----`);

test.each(vectors)("$description: is signed as Google says", (vector) => {
  const { text, canonical, url } = urlToSign({
    method: vector.method as "GET" | "PUT",
    ...{ origin: "https://storage.googleapis.com", host: "storage.googleapis.com" },
    ...{ bucket: vector.bucket, key: vector.object, expires: vector.expiration },
    email: "test-iam-credentials@dummy-project-id.iam.gserviceaccount.com",
    now: new Date(vector.timestamp),
  });
  expect(canonical).toBe(vector.expectedCanonicalRequest);
  expect(text).toBe(vector.expectedStringToSign);
  expect(vector.expectedUrl.startsWith(url)).toBe(true);
  const signature = Buffer.from(vector.expectedUrl.slice(url.length), "hex");
  expect(verify("sha256", Buffer.from(text), key, signature)).toBe(true);
});
