import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import {
  DeadLetterRecordSchema,
  type DeadLetterRecord,
} from "../../gen/cufflink/v1/dead_letters_pb.ts";
import { BindingError, messageOf } from "../errors.ts";

export type { DeadLetterRecord };

/** A dead letter as one line of JSON, which {@link parseLine} reads. Throws where the runtime did not tell all of it. */
export function lineOf(record: DeadLetterRecord): string {
  if (record.fingerprint === "") {
    throw new BindingError(
      "unimplemented",
      "this runtime is of an earlier version, which does not tell all of a dead letter",
    );
  }
  return toJsonString(DeadLetterRecordSchema, { ...record, redriving: false });
}

/** The dead letter of a line; a text says why it is none. */
export function parseLine(text: string): DeadLetterRecord | string {
  try {
    return fromJsonString(DeadLetterRecordSchema, text);
  } catch (error) {
    return messageOf(error);
  }
}
