import { defaultResource, resourceFromAttributes, type Resource } from "@opentelemetry/resources";
import { version } from "../../version.ts";
import { attribute, schemaUrl } from "./conventions.ts";

/** What exported data are of: the SDK, this version, and what settings say. */
export function resourceOf(about: Readonly<Record<string, string>>): Resource {
  const attributes = { [attribute.serviceVersion]: version, ...about };
  return defaultResource().merge(resourceFromAttributes(attributes, { schemaUrl }));
}
