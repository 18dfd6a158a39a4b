const clouds = ["aws.", "azure.", "gcp.", "alicloud.", "cloudflare.", "huawei."];

/** Services and engines that belong to no cloud: `npm run test:open`. */
const open = new Set([
  ...["apns", "commercetools", "dubbo", "kubemq", "kubernetes", "postmark", "rocketmq"],
  ...["twilio.sendgrid", "zeebe.command", "zeebe.jobworker"],
]);

/** What of the types has a script of its own, with servers that are too slow to start for `npm test`. */
export type Family = "clouds" | "open";

export function familyOf(type: string): Family | undefined {
  if (open.has(type)) return "open";
  return clouds.some((prefix) => type.startsWith(prefix)) ? "clouds" : undefined;
}
