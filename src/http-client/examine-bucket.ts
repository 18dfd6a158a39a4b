import type { Questions } from "../examination.ts";
import { examineByRequest } from "../examine-by-request.ts";
import { refusalOf, type ObjectService } from "./object-service.ts";
import { serviceFailure } from "./service-client.ts";
import { isSuccess } from "./status.ts";

/** With status 403, both vendors'. */
const strangers = ["InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"];

/** What a listing of one object tells of the log-in and the bucket. Who may store need not be allowed to list. */
export async function examineBucket(
  service: ObjectService,
  bucket: string,
  questions: Questions,
): Promise<void> {
  const { signal, unknown } = questions;
  const request = async (): Promise<void> => {
    const query = new URLSearchParams({ "max-keys": "1" });
    const answered = await service.ask({ method: "GET", query }, signal);
    if (isSuccess(answered.status)) return;
    const { code, message } = refusalOf(answered);
    const text = [`listing the bucket ${bucket}: ${answered.status} ${code}`, message];
    const systemCode = code || undefined;
    throw serviceFailure(text.filter(Boolean).join(": "), answered, { systemCode });
  };
  const told = [
    ["authenticated", ""],
    ["exists", `bucket ${bucket}`],
  ] as const;
  await examineByRequest(questions, request, told, strangers);
  unknown("may write", `bucket ${bucket}`, "only storing an object tells");
}
