import { posix } from "node:path";

/**
 * The request target for a route: the leading slash is optional, `.`, `..` and doubled slashes are
 * resolved, a query is kept, an absolute URL is taken as a path, and what a target cannot carry is
 * percent-encoded. An empty route is the component's name.
 */
export function routeTarget(route: string, name: string): string {
  const wanted = route === "" ? name : route;
  const mark = wanted.indexOf("?");
  const path = mark === -1 ? wanted : wanted.slice(0, mark);
  const query = mark === -1 ? "" : wanted.slice(mark);
  return encodeTarget(posix.normalize(`/${path}`) + query);
}

function encodeTarget(target: string): string {
  return target.toWellFormed().replaceAll(/[^!-~]+|["#<>\\^`{|}]/gu, encodeURIComponent);
}
