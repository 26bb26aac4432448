/**
 * The key file: one base64 key a line (16, 24 or 32 bytes), the first seals, all open; `#` comments and blank lines are skipped.
 * Boundary: pure text -> keys; never puts a key into a message.
 */
export const KEYS_MAX = 64;
const KEY_BYTES = [16, 24, 32];

export type KeyRing =
  | { readonly ok: true; readonly keys: readonly Uint8Array[] }
  | { readonly ok: false; readonly problems: readonly string[] };

export function readKeyRing(text: string): KeyRing {
  const keys: Uint8Array[] = [];
  const seen = new Map<string, number>();
  const problems: string[] = [];
  const lines = text.replace(/^\ufeff/, "").split("\n");
  lines.forEach((raw, i) => {
    const line = raw.split("#", 1)[0]!.trim();
    if (line === "" || problems.length >= KEYS_MAX) return;
    const where = `line ${i + 1}`;
    const key = decodeKey(line);
    if (typeof key === "string") problems.push(`${where}: ${key}`);
    else if (seen.has(line)) problems.push(`${where}: the same key as in line ${seen.get(line)}`);
    else if (keys.length === KEYS_MAX) problems.push(`${where}: more than ${KEYS_MAX} keys`);
    else {
      seen.set(line, i + 1);
      keys.push(key);
    }
  });
  if (problems.length === 0 && keys.length === 0) problems.push("there is no key in it; make one with `vipd keygen`");
  return problems.length > 0 ? { ok: false, problems } : { ok: true, keys };
}

/** The key, or what is wrong with it. Buffer.from skips what is no base64, so the form is checked first. */
function decodeKey(line: string): Uint8Array | string {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(line) || line.replace(/=+$/, "").length % 4 === 1) {
    return "not base64 (one key a line, as `vipd keygen` prints it)";
  }
  if (line.endsWith("=") && line.length % 4 !== 0) return "base64 that is cut off";
  const key = new Uint8Array(Buffer.from(line, "base64"));
  if (!KEY_BYTES.includes(key.length)) return `a key of ${key.length} bytes; it must have 16, 24 or 32`;
  return key;
}
