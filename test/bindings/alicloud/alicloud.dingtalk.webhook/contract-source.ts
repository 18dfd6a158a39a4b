import dingtalk from "../../../../src/bindings/alicloud/alicloud.dingtalk.webhook/index.ts";
import { postedSource } from "../../contract-sources.ts";
import { outgoingHeaders } from "./stand-in.ts";

const appSecret = "app secret";

/** What DingTalk sends, and sends again until it is taken. */
export const dingtalkSource = postedSource(
  dingtalk,
  { id: "alerts", url: "http://127.0.0.1:1/robot/send", appSecret, direction: "input" },
  () => {
    const { timestamp = "", sign = "" } = outgoingHeaders(appSecret);
    return { timestamp, sign };
  },
);
