import { isObject, objectAt, textAt, type JsonObject } from "../inject/json.ts";
import { jsonPatch } from "../inject/json-patch.ts";
import type { InjectOptions } from "../inject/sidecar.ts";
import { injectWorkload } from "../inject/workload.ts";

const apiVersion = "admission.k8s.io/v1";

export type Admission = {
  /** An AdmissionReview with its answer. */
  readonly review: JsonObject;
  readonly outcome: "patched" | "unchanged" | "refused";
  /** `shop/orders-7d…`. */
  readonly pod: string;
  readonly warnings: readonly string[];
  readonly reasons: readonly string[];
};

export type AdmissionOptions = InjectOptions & {
  /** The injector's own, whose pods it leaves as they are. */
  readonly namespace: string;
};

/**
 * Answers an AdmissionReview of Kubernetes: a pod that asks for a sidecar gets one by a JSON patch, one that cannot have it
 * is refused with the reasons, all others pass. Throws what is wrong with the review.
 */
export function admit(review: unknown, options: AdmissionOptions): Admission {
  if (!isObject(review)) throw new Error("it is no JSON object");
  const request = objectAt(review, "request");
  const uid = request && textAt(request, "uid");
  if (review["apiVersion"] !== apiVersion || review["kind"] !== "AdmissionReview")
    throw new Error(`it is no AdmissionReview of ${apiVersion}`);
  if (request === undefined || uid === undefined) throw new Error("it has no request with a uid");
  const namespace = textAt(request, "namespace") ?? "";
  const answer = (
    outcome: Admission["outcome"],
    response: JsonObject,
    { name = "", warnings = [], reasons = [] }: Partial<Said> = {},
  ): Admission => ({
    review: {
      ...{ apiVersion, kind: "AdmissionReview" },
      response: {
        ...{ uid, allowed: reasons.length === 0, ...response },
        ...(warnings.length > 0 && { warnings: [...warnings] }),
      },
    },
    ...{ outcome, warnings, reasons },
    pod: `${namespace}/${name}`,
  });
  const object = objectAt(request, "object");
  const isPod = textAt(objectAt(request, "kind") ?? {}, "kind") === "Pod";
  if (!isPod || object === undefined || request["operation"] !== "CREATE")
    return answer("unchanged", {});
  if (namespace === options.namespace) return answer("unchanged", {});
  const metadata = objectAt(object, "metadata") ?? {};
  const name = textAt(metadata, "name") ?? textAt(metadata, "generateName");
  const { object: injected, injections } = injectWorkload({ ...object, kind: "Pod" }, options);
  const { outcome, reasons, warnings } = injections[0] ?? {
    ...{ outcome: "ignored" as const, reasons: [], warnings: [] },
  };
  const said = { name, reasons, warnings };
  if (outcome === "refused") {
    const message = `Cufflink's sidecar cannot be put in: ${reasons.join("; ")}`;
    return answer("refused", { status: { code: 403, reason: "Forbidden", message } }, said);
  }
  if (outcome !== "patched") return answer("unchanged", {}, said);
  const patch = jsonPatch({ ...object, kind: "Pod" }, injected);
  const encoded = Buffer.from(JSON.stringify(patch)).toString("base64");
  return answer("patched", { patchType: "JSONPatch", patch: encoded }, said);
}

type Said = {
  readonly name: string | undefined;
  readonly warnings: readonly string[];
  readonly reasons: readonly string[];
};
