import { expect, test } from "vitest";
import { routeTarget } from "../../src/app/http-route.ts";

test.each([
  ["", "/orders"],
  ["path", "/path"],
  ["/path", "/path"],
  ["//a//b", "/a/b"],
  ["a/./b/../c", "/a/c"],
  ["../../etc", "/etc"],
  ["path?a=1&b=/x/../y", "/path?a=1&b=/x/../y"],
  ["path/", "/path/"],
  ["http://elsewhere/x", "/http:/elsewhere/x"],
  ["with space", "/with%20space"],
  ["a%2Fb", "/a%2Fb"],
  ["größe", "/gr%C3%B6%C3%9Fe"],
  ["a\r\nb#c", "/a%0D%0Ab%23c"],
  ["\uD800", "/%EF%BF%BD"],
])("route %j is %s", (route, target) => {
  expect(routeTarget(route, "orders")).toBe(target);
});
