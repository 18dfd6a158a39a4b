const prefixes = ["aws.", "azure.", "gcp.", "alicloud.", "cloudflare.", "huawei."];

/** Types whose servers are as slow to start as those of clouds. */
const slow = new Set(["dubbo", "rocketmq"]);

/** Whether a type is a service of a cloud, or is tested as one. */
export function isCloudType(type: string): boolean {
  return slow.has(type) || prefixes.some((prefix) => type.startsWith(prefix));
}
