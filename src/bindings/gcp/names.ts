import { BindingError } from "../../errors.ts";

const resource = /^[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}$/;
const project = /^[a-z0-9][a-z0-9.:-]*$/i;

/**
 * The full name of a topic or subscription, given its own name or the full one. Throws a `BindingError` for a text that
 * is none, so that no name leads elsewhere.
 */
export function fullName(
  kind: "topic" | "subscription",
  name: string,
  projectId: string,
  field?: string,
): string {
  const parts = name.split("/");
  const isFull = parts.length === 4 && parts[0] === "projects" && parts[2] === `${kind}s`;
  const [owner, own] = isFull ? [parts[1], parts[3]] : [projectId, name];
  if (!project.test(owner ?? ""))
    throw new BindingError("invalid_argument", `${JSON.stringify(owner)} is no id of a project`);
  if (!resource.test(own ?? "")) {
    const rule = "a letter, then 2 to 254 letters, digits or one of -_.~+%";
    throw new BindingError(
      "invalid_argument",
      `${field === undefined ? "" : `${field} `}${JSON.stringify(name.slice(0, 300))} is no name of a ${kind}: ${rule}`,
    );
  }
  return `projects/${owner}/${kind}s/${own}`;
}
