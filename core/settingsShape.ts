import { z } from "zod";

/** What is read of the JSON schema that zod makes of a schema's input. */
export interface Shape {
  readonly type?: string | readonly string[];
  readonly default?: unknown;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly propertyNames?: Shape;
  readonly additionalProperties?: Shape | boolean;
  readonly items?: Shape;
}

/** The shape of what a schema accepts, before defaults and transformations. */
export function shapeOf(schema: z.ZodType): Shape {
  return z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Shape;
}

/** Whether the value at a key of an object is text, whatever it looks like. */
export function isTextAt(shape: Shape, key: string): boolean {
  return shape.properties?.[key]?.type === "string";
}

/** The keys that an object at a path may have; empty where any name will do. */
export function knownKeysAt(shape: Shape, path: readonly string[]): readonly string[] {
  const inner = path.reduce<Shape | undefined>((at, key) => (at ? childOf(at, key) : undefined), shape);
  if (inner?.properties) return Object.keys(inner.properties);
  return (inner?.propertyNames?.enum ?? []).map(String);
}

function childOf(shape: Shape, key: string): Shape | undefined {
  const known = shape.properties?.[key];
  if (known) return known;
  return typeof shape.additionalProperties === "object" ? shape.additionalProperties : undefined;
}

/** What a value may be, in words: `one of full, secondary`, `1 to 65535`, `{primary|secondary: text}`. */
export function valuesOf(shape: Shape): string {
  if (shape.enum) return shape.enum.map(String).join(", ");
  switch (shape.type) {
    case "integer":
    case "number":
      return rangeOf(shape, shape.type === "integer" ? "whole number" : "number");
    case "boolean":
      return "true, false";
    case "string":
      return textOf(shape);
    case "array":
      return `[${shape.items ? valuesOf(shape.items) : "any"}, …]`;
    case "object":
      return objectOf(shape);
    default:
      return Array.isArray(shape.type) ? shape.type.map((type) => nouns[type] ?? type).join(" or ") : "any";
  }
}

const nouns: Readonly<Record<string, string>> = { string: "text", integer: "whole number" };

function rangeOf({ minimum, maximum }: Shape, noun: string): string {
  const isBounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  if (minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER)
    return isBounded ? `${minimum} to ${maximum}` : `${noun}, at least ${minimum}`;
  return isBounded ? `${noun}, at most ${maximum}` : noun;
}

function textOf({ format, maxLength }: Shape): string {
  if (format === "ipv4") return "IPv4 address";
  return maxLength === undefined ? "text" : `text, at most ${maxLength} characters`;
}

function objectOf(shape: Shape): string {
  if (shape.properties)
    return `{${Object.entries(shape.properties)
      .map(([key, inner]) => `${key}: ${valuesOf(inner)}`)
      .join(", ")}}`;
  const names = shape.propertyNames?.enum?.map(String) ?? [];
  const name = names.length === 0 ? "NAME" : names.join("|");
  const inner = typeof shape.additionalProperties === "object" ? valuesOf(shape.additionalProperties) : "any";
  return `{${name}: ${inner}}`;
}
