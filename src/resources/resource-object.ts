import type { Origin } from "../component.ts";
import type { ResourceProblem } from "./problem.ts";
import { Source, type Range } from "./source.ts";
import { yamlOfJson } from "./yaml-text.ts";

/** A resource that is an object of an API and stands in no file: it has a name in place of lines. */
export class ResourceObject extends Source {
  /** Throws where it is no JSON. */
  static ofJson(name: string, json: string): ResourceObject {
    return new ResourceObject(name, yamlOfJson(json));
  }

  /** The name alone: nobody has the text with these lines. */
  override origin(): Origin {
    return { file: this.file, line: 0, column: 0 };
  }

  /** The name, and no excerpt; where it is in {@link Source.text} is beside that. */
  override problem(
    severity: ResourceProblem["severity"],
    range: Range,
    message: string,
    suggestion?: string,
  ): ResourceProblem {
    const { line, column } = super.origin(range[0]);
    return {
      ...{ severity, file: this.file, line: 0, column: 0, message },
      ...(suggestion === undefined ? {} : { suggestion }),
      within: { line, column },
    };
  }
}
