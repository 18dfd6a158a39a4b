import type { GoProgram } from "../../servers/go-install.ts";

/** What lists the packages in an image. */
export const syft: GoProgram = {
  name: "syft",
  folder: "syft",
  module: "github.com/anchore/syft/cmd/syft",
  version: "v1.57.1",
};
