/** Shorter forms would also be found in what is no secret. */
const shortest = 8;

/**
 * Every form in which a secret is searched for: as it is, inside JSON, in a URL, in hex, and in base64 wherever it
 * stands in what was encoded. A secret that is itself base64 or hex also by the bytes that it stands for. Longest first.
 */
export function formsOf(secret: string): readonly string[] {
  const forms = new Set([secret, JSON.stringify(secret).slice(1, -1), ...urlForms(secret)]);
  for (const bytes of [Buffer.from(secret, "utf8"), ...meantBytes(secret)])
    for (const form of encodings(bytes)) if (form.length >= shortest) forms.add(form);
  return [...forms].sort((a, b) => b.length - a.length);
}

function urlForms(secret: string): readonly string[] {
  const encoded = encodeURIComponent(secret);
  const asForm = new URLSearchParams({ "": secret }).toString().slice(1);
  const lower = (text: string) => text.replace(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase());
  return [encoded, lower(encoded), asForm, lower(asForm)];
}

/** The bytes that a text in base64 or hex stands for; none where it is neither. */
function meantBytes(secret: string): readonly Buffer[] {
  if (/^(?:[0-9a-f]{2}){16,}$/i.test(secret)) return [Buffer.from(secret, "hex")];
  return /^[A-Za-z0-9+/_-]{22,}={0,2}$/.test(secret) ? [Buffer.from(secret, "base64")] : [];
}

function encodings(bytes: Buffer): readonly string[] {
  const hex = bytes.toString("hex");
  const base64 = [0, 1, 2].map((offset) => base64Within(bytes, offset));
  const url = base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_"));
  const escaped = base64.map(encodeURIComponent);
  return [hex, hex.toUpperCase(), ...base64, ...url, ...escaped];
}

/** What of base64 depends on these bytes alone, where so many other bytes stand before them in a group of three. */
function base64Within(bytes: Buffer, offset: number): string {
  const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
  return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
}
