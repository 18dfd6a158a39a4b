import { messageOf } from "../../errors.ts";
import type { ActivatedJob } from "./messages.ts";

/** The metadata of a job's event, in Dapr's names. Throws where its custom headers are no texts. */
export function jobMetadata(
  job: ActivatedJob,
  autocomplete: boolean,
): Readonly<Record<string, string>> {
  return {
    ...customHeaders(job.customHeaders),
    "X-Zeebe-Job-Key": String(job.key),
    "X-Zeebe-Job-Type": job.type,
    "X-Zeebe-Process-Instance-Key": String(job.processInstanceKey),
    "X-Zeebe-Bpmn-Process-Id": job.bpmnProcessId,
    "X-Zeebe-Process-Definition-Version": String(job.processDefinitionVersion),
    "X-Zeebe-Process-Definition-Key": String(job.processDefinitionKey),
    "X-Zeebe-Element-Id": job.elementId,
    "X-Zeebe-Element-Instance-Key": String(job.elementInstanceKey),
    "X-Zeebe-Worker": job.worker,
    "X-Zeebe-Retries": String(job.retries),
    "X-Zeebe-Deadline": String(job.deadline),
    "X-Zeebe-Autocomplete": String(autocomplete),
  };
}

function customHeaders(json: string): Readonly<Record<string, string>> {
  if (json === "") return {};
  const value: unknown = JSON.parse(json);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error("the custom headers are no JSON object");
  const entries = Object.entries(value);
  const wrong = entries.find(([, one]) => typeof one !== "string");
  if (wrong !== undefined) throw new Error(`the custom header ${wrong[0]} is no text`);
  return Object.fromEntries(entries) as Record<string, string>;
}

/**
 * The variables that an app's reply sets, as JSON; none where it is empty. Throws where it is no JSON object, in Dapr's
 * words.
 */
export function replyVariables(reply: Uint8Array | undefined): string {
  const json = Buffer.from(reply ?? []).toString("utf8");
  if (json.trim() === "" || json.trim() === "null") return "{}";
  let why = "it is no JSON object";
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return json;
  } catch (error) {
    why = messageOf(error);
  }
  const shown = json.slice(0, 500);
  throw new Error(`cannot parse variables from binding result ${shown}; got error ${why}`);
}
