import fc from "fast-check";

/** As much of JSON Schema as the API's document uses. */
export interface JsonSchema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** A body as it is sent, and its content type. */
export interface FuzzBody {
  readonly text: string;
  readonly type: string;
}

/** Text that has broken programs before. */
const nasty = fc.constantFrom(
  ...["", " ", "\u0000", "\ud800", "\u202e", "'", "' or 1=1 --", "%", "%00", "../../etc/passwd", "{{7*7}}"],
  ...[
    "null",
    "NaN",
    "1e309",
    "-1",
    "99999999999999999999",
    "0x10",
    "true",
    "[]",
    "{}",
    "__proto__",
    "constructor",
  ],
  ...["9999-12-31T23:59:59Z", "0000-00-00T00:00:00Z", "1970-01-01T00:00:00+99:99", "x".repeat(5000), "🔑"],
);

const nastyJson = fc.oneof(
  nasty,
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(1e300, -0, 2 ** 53, null, [], {}),
);

/** Values of the schema, and sometimes others. */
export function valuesOf(schema: JsonSchema): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 4, arbitrary: wellFormed(schema) }, { weight: 1, arbitrary: nastyJson });
}

/** Texts for one path or query parameter. */
export function textOf(schema: JsonSchema): fc.Arbitrary<string> {
  return valuesOf(schema).map((value) => (typeof value === "string" ? value : (JSON.stringify(value) ?? "")));
}

/** Bodies of the schema; some of them another value, broken JSON, or another type altogether. */
export function bodyOf(schema: JsonSchema): fc.Arbitrary<FuzzBody> {
  const type = "application/json";
  const json = valuesOf(schema).map((value) => ({ text: JSON.stringify(value), type }));
  const broken = json.chain((body) =>
    fc.nat(body.text.length).map((length) => ({ ...body, text: body.text.slice(0, length) })),
  );
  const other = fc.constantFrom(
    { text: "<a/>", type: "text/xml" },
    { text: "a=b", type: "application/x-www-form-urlencoded" },
    { text: "{}", type: "application/json; charset=utf-7" },
    { text: "{}", type: "nonsense" },
    { text: '{"__proto__":{"a":1}}', type },
    { text: '{"constructor":{"prototype":{"a":1}}}', type },
    { text: `${"[".repeat(20_000)}`, type },
    { text: JSON.stringify("x".repeat(200_000)), type },
  );
  return fc.oneof(
    { weight: 6, arbitrary: json },
    { weight: 1, arbitrary: broken },
    { weight: 1, arbitrary: other },
  );
}

function wellFormed(schema: JsonSchema): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(valuesOf));
  switch (schema.type) {
    case "object":
      return fc.record(
        Object.fromEntries(
          Object.entries(schema.properties ?? {}).map(([name, one]) => [name, valuesOf(one)]),
        ),
        { requiredKeys: [...(schema.required ?? [])] },
      );
    case "integer":
    case "number":
      return fc.integer({ min: (schema.minimum ?? 0) - 1, max: Math.min(schema.maximum ?? 1000, 1e6) + 1 });
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    default:
      if (schema.format === "uuid") return fc.uuid();
      if (schema.format === "date-time")
        return fc.date({ noInvalidDate: true }).map((date) => date.toISOString());
      return fc.oneof(
        fc.string({ unit: "grapheme", maxLength: 40 }),
        fc.stringMatching(/^[a-z][a-z0-9]{2,20}$/),
      );
  }
}
