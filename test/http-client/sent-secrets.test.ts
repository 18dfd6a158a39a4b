import { expect, test } from "vitest";
import { sentSecrets } from "../../src/http-client/sent-secrets.ts";

const token = "s3cret/+t";
const basic = Buffer.from("user:hunter22").toString("base64");

test.each([
  [[token], `no ${token}!`, "no ***!"],
  [[`Bearer ${token}`], `no ${token}, no Bearer ${token}`, "no ***, no ***"],
  [[`Bearer ${token}`], `${encodeURIComponent(token)} ${btoa(token)}`, "*** ***"],
  [[`Basic ${basic}`], `${basic} hunter22 user:hunter22`, "*** *** ***"],
  [["abc"], "abc", "abc"],
  [["a\ud800bcd"], "x", "x"],
  [[], "as it is", "as it is"],
])("of %j in %j", (values, text, shown) => {
  expect(sentSecrets(values)(text)).toBe(shown);
});
