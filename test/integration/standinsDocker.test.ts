// The docker plugin that setup provides (the official one, or the one built from tools/pulumi) takes exactly the inputs
// that the types of @pulumi/docker promise.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import ts from "typescript";
import { beforeAll, describe, expect, it } from "vitest";
import { pulumiEnvironment } from "../../scripts/setup/environment.ts";
import { projectFolder } from "../../scripts/setup/paths.ts";
import { pins } from "../../scripts/setup/pins.ts";

/** A type, as far as it matters to what a program may pass: TypeScript knows no integers. */
type Shape = "string" | "number" | "boolean" | { array: Shape } | { map: Shape } | { object: Properties };
type Properties = Record<string, { isRequired: boolean; type: Shape }>;

const sdkFolder = join(projectFolder, "node_modules", "@pulumi", "docker");
const resources = ["Container", "Network", "Volume", "RemoteImage"] as const;
const tokens = {
  Container: "docker:index/container:Container",
  Network: "docker:index/network:Network",
  Volume: "docker:index/volume:Volume",
  RemoteImage: "docker:index/remoteImage:RemoteImage",
} as const;

describe("the docker plugin", () => {
  let schema: PackageSchema;

  beforeAll(async () => {
    const args = ["package", "get-schema", `docker@${pins.plugins.docker}`];
    const { stdout } = await execa("pulumi", args, { cwd: "/", env: pulumiEnvironment() });
    schema = JSON.parse(stdout);
  }, 60_000);

  it("has the version that the SDK asks for", () => {
    expect(schema.version).toBe(JSON.parse(readFileSync(join(sdkFolder, "package.json"), "utf8")).version);
  });

  it.each(resources)("takes the inputs of %s that the SDK declares, no more and no fewer", (resource) => {
    const inSdk = readInterface(sourceFile(`${lowerFirst(resource)}.d.ts`), `${resource}Args`);
    expect(Object.keys(inSdk).length).toBeGreaterThan(4);
    expect(readSchema(schema, schema.resources[tokens[resource]])).toEqual(inSdk);
  });

  it("takes the inputs of Provider that the SDK declares", () => {
    const inSdk = readInterface(sourceFile("provider.d.ts"), "ProviderArgs");
    expect(readSchema(schema, schema.provider)).toEqual(inSdk);
  });

  // The SDK's types do not tell; this is what the schema of the official plugin tells (facts about 5.1.0).
  it("replaces a container for the inputs that the official plugin replaces it for", () => {
    const inputs = schema.resources[tokens.Container]?.inputProperties ?? {};
    const replacing = Object.keys(inputs).filter((name) => inputs[name]?.willReplaceOnChanges);
    expect(replacing).toEqual(expect.arrayContaining(replacedContainerInputs));
    for (const name of updatedContainerInputs) expect(replacing).not.toContain(name);
  });

  it("never updates a network in place", () => {
    const inputs = schema.resources[tokens.Network]?.inputProperties ?? {};
    const updated = Object.keys(inputs).filter((name) => !inputs[name]?.willReplaceOnChanges);
    expect(updated).toEqual([]);
  });
});

const replacedContainerInputs =
  `capabilities cgroupParent cgroupnsMode command cpus deviceRequests devices dns dnsOpts dnsSearches domainname
  entrypoints envs gpus groupAdds hostname hosts image ipcMode labels logDriver logOpts mounts name networkMode
  networksAdvanced pidMode platform ports privileged publishAllPorts readOnly runtime securityOpts shmSize stdinOpen
  stopSignal stopTimeout storageOpts sysctls tty ulimits uploads user usernsMode volumes workingDir`.split(
    /\s+/,
  );

const updatedContainerInputs =
  `restart maxRetryCount cpuShares memory memoryReservation memorySwap cpuSet destroyGraceSeconds removeVolumes
  mustRun`.split(/\s+/);

interface TypeSpec {
  type?: string;
  items?: TypeSpec;
  additionalProperties?: TypeSpec;
  $ref?: string;
  willReplaceOnChanges?: boolean;
}
interface ObjectSpec {
  inputProperties?: Record<string, TypeSpec>;
  requiredInputs?: string[];
}
interface PackageSchema {
  version: string;
  provider: ObjectSpec;
  resources: Record<string, ObjectSpec>;
  types: Record<string, { properties: Record<string, TypeSpec>; required?: string[] }>;
}

function readSchema(schema: PackageSchema, spec: ObjectSpec | undefined): Properties {
  return readProperties(schema, spec?.inputProperties ?? {}, spec?.requiredInputs ?? []);
}

function readProperties(
  schema: PackageSchema,
  specs: Record<string, TypeSpec>,
  required: string[],
): Properties {
  return Object.fromEntries(
    Object.entries(specs).map(([name, spec]) => [
      name,
      { isRequired: required.includes(name), type: schemaShape(schema, spec) },
    ]),
  );
}

function schemaShape(schema: PackageSchema, spec: TypeSpec): Shape {
  const refersTo = spec.$ref && schema.types[decodeURIComponent(spec.$ref.replace("#/types/", ""))];
  if (refersTo) return { object: readProperties(schema, refersTo.properties, refersTo.required ?? []) };
  if (spec.type === "array") return { array: schemaShape(schema, spec.items ?? {}) };
  if (spec.type === "object")
    return { map: schemaShape(schema, spec.additionalProperties ?? { type: "string" }) };
  if (spec.type === "integer" || spec.type === "number") return "number";
  if (spec.type === "string" || spec.type === "boolean") return spec.type;
  throw new Error(`a schema type that this test does not know: ${JSON.stringify(spec)}`);
}

function sourceFile(name: string): ts.SourceFile {
  const file = join(sdkFolder, name);
  return ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest);
}

function readInterface(source: ts.SourceFile, name: string): Properties {
  const declaration = source.statements.find(
    (statement): statement is ts.InterfaceDeclaration =>
      ts.isInterfaceDeclaration(statement) && statement.name.text === name,
  );
  if (!declaration) throw new Error(`${source.fileName} has no interface ${name}`);
  const signatures = declaration.members.filter(ts.isPropertySignature);
  return Object.fromEntries(
    signatures.map((member) => {
      if (!member.type) throw new Error(`${name} has a property without a type`);
      const isRequired = member.questionToken === undefined;
      return [(member.name as ts.Identifier).text, { isRequired, type: sdkShape(member.type) }];
    }),
  );
}

/** Input<T>, T | undefined, T[], {[key: string]: T}, inputs.Name and the plain types: all that the SDK uses here. */
function sdkShape(node: ts.TypeNode): Shape {
  if (ts.isUnionTypeNode(node)) {
    const [type, ...others] = node.types.filter((part) => part.kind !== ts.SyntaxKind.UndefinedKeyword);
    if (type && others.length === 0) return sdkShape(type);
  }
  if (ts.isArrayTypeNode(node)) return { array: sdkShape(node.elementType) };
  if (ts.isTypeLiteralNode(node)) {
    const [member] = node.members;
    if (member && ts.isIndexSignatureDeclaration(member)) return { map: sdkShape(member.type) };
  }
  if (ts.isTypeReferenceNode(node) && ts.isQualifiedName(node.typeName)) {
    const name = node.typeName.right.text;
    const [argument] = node.typeArguments ?? [];
    if (name === "Input" && argument) return sdkShape(argument);
    return { object: readInterface(sourceFile(join("types", "input.d.ts")), name) };
  }
  if (node.kind === ts.SyntaxKind.StringKeyword) return "string";
  if (node.kind === ts.SyntaxKind.NumberKeyword) return "number";
  if (node.kind === ts.SyntaxKind.BooleanKeyword) return "boolean";
  throw new Error(`a type of the SDK that this test does not know: ${ts.SyntaxKind[node.kind]}`);
}

function lowerFirst(word: string): string {
  return word.charAt(0).toLowerCase() + word.slice(1);
}
