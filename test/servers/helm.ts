import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { installGoProgram, installedGoProgram, type GoProgram } from "./go-install.ts";
import { installVenv, venvPython, type PythonPackages } from "./python-venv.ts";

const run = promisify(execFile);

const helm: GoProgram = {
  ...{ name: "helm", folder: "helm", version: "v3.22.0" },
  module: "helm.sh/helm/v3/cmd/helm",
};
const kubeconform: GoProgram = {
  ...{ name: "kubeconform", folder: "kubeconform", version: "v0.8.0" },
  module: "github.com/yannh/kubeconform/cmd/kubeconform",
};
/** It brings the JSON Schemas of Kubernetes' objects. */
const validate: PythonPackages = {
  name: "kubernetes-validate",
  packages: ["kubernetes-validate==1.37.0"],
};

/** Builds Helm and kubeconform, and fetches the schemas, unless they are there. */
export async function installHelm(): Promise<void> {
  for (const program of [helm, kubeconform]) await installGoProgram(program);
  await installVenv(validate);
}

/** Runs Helm, with the kubeconfig; resolves to what it prints. Rejects with what it says of its failure. */
export async function runHelm(
  kubeconfig: string,
  args: readonly string[],
): Promise<{ stdout: string; stderr: string }> {
  const folder = `${kubeconfig}-helm`;
  const env = {
    ...{ PATH: process.env["PATH"], KUBECONFIG: kubeconfig, HELM_CACHE_HOME: folder },
    ...{ HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder, HOME: folder },
  };
  return run(installedGoProgram(helm), [...args], { env, timeout: 120_000, maxBuffer: 16 << 20 });
}

/** Has kubeconform check objects strictly, by the schemas of Kubernetes 1.34; resolves to its summary. */
export async function runKubeconform(folder: string, yaml: string): Promise<string> {
  const python = venvPython(validate) ?? "";
  const find =
    "import kubernetes_validate, os; print(os.path.dirname(kubernetes_validate.__file__))";
  const { stdout: found } = await run(python, ["-c", find]);
  const source = join(found.trim(), "kubernetes-json-schema/v1.34.0-local-strict");
  const schemas = join(folder, "schemas");
  mkdirSync(schemas, { recursive: true });
  const files = [
    ...["_definitions", "deployment-apps-v1", "service-v1", "serviceaccount-v1"],
    ...["clusterrole-rbac-v1", "clusterrolebinding-rbac-v1", "poddisruptionbudget-policy-v1"],
    ...["role-rbac-v1", "rolebinding-rbac-v1"],
    "mutatingwebhookconfiguration-admissionregistration-v1",
    "customresourcedefinition-apiextensions-v1",
  ];
  for (const file of files) {
    // Their references are to the root of a web server.
    const text = readFileSync(join(source, `${file}.json`), "utf8");
    const here = text.replaceAll('"/api/', `"file://${schemas}/`);
    writeFileSync(join(schemas, `${file}.json`), here);
  }
  const objects = join(folder, "objects.yaml");
  writeFileSync(objects, yaml);
  const { stdout } = await run(installedGoProgram(kubeconform), [
    ...["-strict", "-summary", "-kubernetes-version", "1.34.0", "-schema-location"],
    `${schemas}/{{.ResourceKind}}{{.KindSuffix}}.json`,
    objects,
  ]);
  return stdout;
}
