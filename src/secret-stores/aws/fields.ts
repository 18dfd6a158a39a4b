import { awsFields, regionOrAwsRegionField } from "../../bindings/aws/fields.ts";

/** Where and as whom AWS is asked, as bindings say it. */
export const awsStoreFields = { ...regionOrAwsRegionField, ...awsFields } as const;
