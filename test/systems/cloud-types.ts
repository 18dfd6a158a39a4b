const prefixes = ["aws.", "azure.", "gcp.", "alicloud.", "cloudflare.", "huawei."];

/** Types with a server that is too slow for `npm test`. */
const others = new Set(["kubernetes"]);

/** Whether `npm run test:clouds` tests a type: a service of a cloud, or one whose server takes as long. */
export function isCloudType(type: string): boolean {
  return others.has(type) || prefixes.some((prefix) => type.startsWith(prefix));
}
