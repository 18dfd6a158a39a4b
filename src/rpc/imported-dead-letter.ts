import type { DeadLetterRecord } from "../../gen/cufflink/v1/dead_letters_pb.ts";
import { BindingError } from "../errors.ts";
import type { StoredDeadLetter } from "../store/records.ts";
import { toDeadLetter } from "./records.ts";

/** A UUID of version 7, by whose order dead letters are listed. */
const idForm = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** A dead letter that somebody has listed, to be stored. Throws a `BindingError` that says what it lacks. */
export function toStoredDeadLetter(record: DeadLetterRecord): StoredDeadLetter {
  const { id, component, type, cause, identity, fingerprint, event, storedAt } = record;
  const problem =
    (!idForm.test(id) && "its id is not a UUID of version 7 in lower case") ||
    (record.dataOmitted && "its payload was left out when it was listed") ||
    (component === "" && "it names no component") ||
    (type === "" && "it names no type") ||
    (cause === 0 && "it has no cause") ||
    (event === undefined && "it has no event") ||
    (storedAt === undefined && "it does not say when it was stored") ||
    ((identity === "" || fingerprint === "") && "it has no identity or no fingerprint");
  if (problem) {
    throw new BindingError("invalid_argument", `dead letter ${JSON.stringify(id)}: ${problem}`);
  }
  const { size: _size, omitted: _omitted, redriving: _redriving, ...rest } = toDeadLetter(record);
  const { key } = rest.event;
  return {
    ...rest,
    ...{ identity, fingerprint },
    event: { ...rest.event, key: key && record.keyIsText ? Buffer.from(key).toString() : key },
  };
}
