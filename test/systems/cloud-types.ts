const prefixes = ["aws.", "azure.", "gcp.", "alicloud.", "cloudflare.", "huawei."];

/** Whether a type is a service of a cloud. */
export function isCloudType(type: string): boolean {
  return prefixes.some((prefix) => type.startsWith(prefix));
}
