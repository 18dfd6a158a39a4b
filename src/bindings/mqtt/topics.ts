import { BindingError } from "../../errors.ts";

const longestTopic = 65_535;

/** Throws unless messages can be sent to the topic. */
export function checkTopicName(topic: string): void {
  if (/[+#]/.test(topic)) {
    throw refused(
      topic,
      "has a wildcard (+ or #), which is for reading; name one topic in the request's metadata topic",
    );
  }
  checkText(topic);
}

/** Throws unless the topic, wildcards and all, can be subscribed to. */
export function checkTopicFilter(filter: string): void {
  const levels = filter.split("/");
  const last = levels.length - 1;
  levels.forEach((level, index) => {
    if (level.includes("+") && level !== "+")
      throw refused(filter, "has a + that is not a level of its own");
    if (level.includes("#") && (level !== "#" || index !== last)) {
      throw refused(filter, "has a # that is not the last level");
    }
  });
  checkText(filter);
}

function checkText(topic: string): void {
  if (topic === "") throw refused(topic, "is empty");
  if (topic.includes("\0")) throw refused(topic, "has a null character");
  // A broker may end the connection of whoever sends them, with all that is under way.
  if (/\p{Cc}/u.test(topic)) throw refused(topic, "has a control character");
  if (!topic.isWellFormed()) throw refused(topic, "is not valid Unicode");
  if (Buffer.byteLength(topic) > longestTopic)
    throw refused(topic.slice(0, 40), `is longer than ${longestTopic} bytes`);
}

function refused(topic: string, why: string): BindingError {
  return new BindingError("invalid_argument", `topic ${JSON.stringify(topic)} ${why}`);
}
